import { SalvorError } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { asCount, asString, parseObject, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { isId } from './ids.ts';
import { degree, isIrreducible, POLYNOMIAL_DEGREE } from './polynomial.ts';

/** What a repository says of itself, once and for all: the file `config`, sealed and never compressed. */
export interface Config {
  readonly version: 1 | 2;
  /** 64 hex digits. */
  readonly id: string;
  readonly chunkerPolynomial: bigint;
}

export const CONFIG_KEY = 'config';

export function encodeConfig(config: Config): string {
  const polynomial = config.chunkerPolynomial.toString(16);
  return JSON.stringify({ version: config.version, id: config.id, chunker_polynomial: polynomial });
}

export function decodeConfig(plain: Uint8Array, location: string): Config {
  const what = `The config of ${location}`;
  const fields = parseObject(plain, what);
  return within(what, () => decodeFields(fields, location));
}

function decodeFields(fields: Fields, location: string): Config {
  const version = required(fields, 'version', asCount);
  if (version !== 1 && version !== 2) {
    throw new SalvorError(`The repository ${location} has the format version ${version}`, {
      code: 'RepositoryUnsupported',
      hint: 'Use a version of Salvor that knows this format, or a repository of version 2.',
    });
  }
  const id = required(fields, 'id', asString);
  if (!isId(id)) throw corrupt('There is no valid id');
  return { version, id, chunkerPolynomial: decodePolynomial(required(fields, 'chunker_polynomial', asString)) };
}

function decodePolynomial(hex: string): bigint {
  const polynomial = /^[0-9a-f]{1,16}$/.test(hex) ? BigInt(`0x${hex}`) : 0n;
  if (degree(polynomial) === POLYNOMIAL_DEGREE && isIrreducible(polynomial)) return polynomial;
  throw corrupt('There is no valid chunker polynomial');
}
