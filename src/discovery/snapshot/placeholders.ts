import type { TextMapper } from './normalize.ts';

/** Placeholders stand in each other; more rounds are a circle. */
const roundsMax = 4;
const placeholder = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=]([^{}]*))?\}/g;

/**
 * Fills in `${NAME}`, `${NAME:-default}` and `${NAME:=default}` as Flux does. What has neither value nor default stays as
 * it is: it is a name still, and equal ones stay equal.
 */
export function placeholders(values: Readonly<Record<string, string>>): TextMapper {
  return (value) => {
    if (!value.includes('${')) return value;
    let filled = value;
    for (let round = 0; round < roundsMax; round++) {
      const next = filled.replaceAll(
        placeholder,
        (whole, name: string, byDefault: string | undefined) => values[name] ?? byDefault ?? whole,
      );
      if (next === filled) break;
      filled = next;
    }
    return filled;
  };
}
