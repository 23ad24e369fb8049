import { SalvorError } from '#shared/errors';

/** How much: a number of bytes, a share of the whole, or as much as there is. */
export type SizeLimit =
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'unlimited' };

const units: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

const bytesPattern = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i;
const percentPattern = /^(\d+(?:\.\d+)?)\s*%$/;

/** Reads `500MiB`, `500M`, `5%`, `1.5 GiB`, `unlimited`; units are binary, as in restic. Throws `Usage`. */
export function parseSizeLimit(text: string): SizeLimit {
  if (text === 'unlimited') return { kind: 'unlimited' };
  const percent = percentPattern.exec(text);
  if (percent !== null) {
    const value = Number(percent[1]);
    if (value <= 100) return { kind: 'percent', percent: value };
  }
  const bytes = tryParseBytes(text);
  if (bytes !== undefined) return { kind: 'bytes', bytes };
  throw new SalvorError(`Not a size: "${text}"`, { code: 'Usage', hint: 'Give for instance 500MiB, 2GiB or 5%.' });
}

/** Reads `500MiB` or `500M`. Throws `Usage`. */
export function parseByteCount(text: string): number {
  const bytes = tryParseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new SalvorError(`Not a number of bytes: "${text}"`, {
    code: 'Usage',
    hint: 'Give for instance 500MiB or 2GiB.',
  });
}

function tryParseBytes(text: string): number | undefined {
  const match = bytesPattern.exec(text);
  if (match === null) return undefined;
  const bytes = Math.round(Number(match[1]) * (units[(match[2] ?? '').toUpperCase()] ?? 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
