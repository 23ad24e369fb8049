/**
 * Reading objects that anyone may have written: a field may be missing or of another type anywhere, and then it simply
 * is not there. Nothing here throws.
 */
export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = {};

/** The value as a mapping; an empty one if it is not. */
export function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : none;
}

/** The mappings of a list; none if it is no list. */
export function records(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

/** A scalar as text. */
export function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** The scalars of a list, as text. */
export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text).filter((item) => item !== undefined) : [];
}

/** A mapping of texts: labels, annotations, the data of a ConfigMap. */
export function textMap(value: unknown): Readonly<Record<string, string>> {
  const map: Record<string, string> = {};
  for (const [key, item] of Object.entries(record(value))) {
    const scalar = text(item);
    if (scalar !== undefined) map[key] = scalar;
  }
  return map;
}

/** The value at a path of field names: `at(object, 'spec', 'template', 'spec')`. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let current = value;
  for (const field of path) current = record(current)[field];
  return current;
}

export function integer(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}
