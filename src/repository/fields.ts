import { messageOf, SalvorError } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { checkStructure } from './json-bounds.ts';

/** A JSON object that came from a store, not yet believed. */
export type Fields = Readonly<Record<string, unknown>>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Integers that a double cannot hold: inodes of some filesystems, device numbers. `JSON.parse` would round them. */
const longInteger = /[:[,]\s*-?\d{16,}/;

/** Parses the text of an object; integers of 16 and more digits come as bigint. `what` is for the message. */
export function parseObject(bytes: Uint8Array, what: string): Fields {
  checkStructure(bytes, what);
  let value: unknown;
  try {
    const text = utf8.decode(bytes);
    value = longInteger.test(text) ? JSON.parse(text, keepLongIntegers) : JSON.parse(text);
  } catch (error) {
    throw corrupt(`${what} is not JSON: ${messageOf(error).slice(0, 120)}`, error);
  }
  return asObject(value, what);
}

function keepLongIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const exact = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '');
  return exact ? BigInt(context?.source ?? '') : value;
}

/** Runs readers of fields; what they refuse is reported as being in `what`. */
export function within<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'RepositoryCorrupt')
      throw corrupt(`${what}: ${error.message}`, error);
    throw error;
  }
}

export function asObject(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(`${what} is not an object`);
  return value as Fields;
}

/** Absent and `null` are the same, as in Go. */
export function optional<T>(fields: Fields, name: string, read: (value: unknown, what: string) => T): T | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return value === undefined || value === null ? undefined : read(value, name);
}

export function required<T>(fields: Fields, name: string, read: (value: unknown, what: string) => T): T {
  const value = optional(fields, name, read);
  if (value === undefined) throw corrupt(`The field ${name} is missing`);
  return value;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw corrupt(`The field ${what} is not a string`);
  return value;
}

export function asBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw corrupt(`The field ${what} is not a boolean`);
  return value;
}

export function asArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw corrupt(`The field ${what} is not a list`);
  return value;
}

export function asStrings(value: unknown, what: string): string[] {
  return asArray(value, what).map((item) => asString(item, what));
}

/** A whole number of at least 0 that a double holds exactly. */
export function asCount(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw corrupt(`The field ${what} is not a count`);
  }
  return value;
}

export function asUint32(value: unknown, what: string): number {
  const count = asCount(value, what);
  if (count > 0xffffffff) throw corrupt(`The field ${what} has more than 32 bits`);
  return count;
}

export function asUint64(value: unknown, what: string): bigint {
  const wide = typeof value === 'bigint' ? value : BigInt(asCount(value, what));
  if (wide < 0n || wide >= 1n << 64n) throw corrupt(`The field ${what} has more than 64 bits`);
  return wide;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes as Go writes them: standard base64 with padding. */
export function asBytes(value: unknown, what: string): Buffer {
  const text = asString(value, what);
  if (!base64.test(text)) throw corrupt(`The field ${what} is not base64`);
  return Buffer.from(text, 'base64');
}
