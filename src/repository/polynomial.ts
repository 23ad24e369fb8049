/**
 * Polynomials over GF(2), one bit per coefficient: the Rabin fingerprint of restic's chunker divides by one, which must
 * be irreducible or the chunks of similar data would not be alike.
 */

/** The degree restic uses: fingerprints of 53 bits. */
export const POLYNOMIAL_DEGREE = 53;

/** One in 27 odd polynomials of this degree is irreducible: 5000 misses in a row mean the random source is broken. */
const ATTEMPTS_MAX = 5000;

/** A random irreducible polynomial of degree 53. `randomBytes` gives that many random bytes. */
export function randomPolynomial(randomBytes: (count: number) => Uint8Array): bigint {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const bits = Buffer.from(randomBytes(8)).readBigUInt64LE();
    const candidate = (bits & ((1n << 53n) - 1n)) | (1n << 53n) | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
  throw new Error('The random source gave no irreducible polynomial');
}

/** Ben-Or's test: no common factor with x^(2^i) - x for any i up to half the degree. */
export function isIrreducible(polynomial: bigint): boolean {
  const x = 2n;
  const half = Math.floor(degree(polynomial) / 2);
  if (degree(polynomial) < 1) return false;
  let power = x;
  for (let i = 1; i <= half; i++) {
    power = remainder(multiply(power, power), polynomial);
    if (greatestCommonDivisor(polynomial, power ^ x) !== 1n) return false;
  }
  return true;
}

export function degree(polynomial: bigint): number {
  return polynomial === 0n ? -1 : polynomial.toString(2).length - 1;
}

function multiply(left: bigint, right: bigint): bigint {
  let product = 0n;
  for (let rest = right, shifted = left; rest > 0n; rest >>= 1n, shifted <<= 1n) {
    if ((rest & 1n) === 1n) product ^= shifted;
  }
  return product;
}

function remainder(dividend: bigint, divisor: bigint): bigint {
  let rest = dividend;
  const size = degree(divisor);
  for (let excess = degree(rest) - size; excess >= 0; excess = degree(rest) - size) rest ^= divisor << BigInt(excess);
  return rest;
}

function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let [larger, smaller] = [left, right];
  while (smaller !== 0n) [larger, smaller] = [smaller, remainder(larger, smaller)];
  return larger;
}
