/**
 * restic's rolling hash: a Rabin fingerprint over the last 64 bytes, modulo a polynomial over GF(2) that each
 * repository draws for itself. Source: restic's design document and the description of github.com/restic/chunker.
 */

/** Bytes the hash looks back at. */
export const windowBytes = 64;
/** restic draws irreducible polynomials of this degree only; the hash then fits 53 bits. */
export const polynomialDegree = 53n;

export interface RabinTables {
  /** What a byte still contributes to the digest when it leaves the window. */
  readonly out: BigUint64Array;
  /** By the 8 bits above the degree: clears them and reduces. */
  readonly mod: BigUint64Array;
}

/** The remainder of a polynomial division over GF(2). */
function remainder(value: bigint, polynomial: bigint): bigint {
  let rest = value;
  for (let bit = 63n; bit >= polynomialDegree; bit--) {
    if ((rest >> bit) & 1n) rest ^= polynomial << (bit - polynomialDegree);
  }
  return rest;
}

/** Tables for a polynomial of degree 53. */
export function rabinTables(polynomial: bigint): RabinTables {
  if (polynomial >> polynomialDegree !== 1n) throw new RangeError('the chunker polynomial must have degree 53');
  const out = linearTable((byte) => {
    let digest = byte;
    for (let step = 1; step < windowBytes; step++) digest = remainder(digest << 8n, polynomial);
    return digest;
  });
  const mod = linearTable((byte) => {
    const high = byte << polynomialDegree;
    return remainder(high, polynomial) | high;
  });
  return { out, mod };
}

/** Both functions are linear over GF(2): eight values, one per bit, give all 256. */
function linearTable(ofBit: (byte: bigint) => bigint): BigUint64Array {
  const table = new BigUint64Array(256);
  for (let bit = 0; bit < 8; bit++) {
    const value = ofBit(1n << BigInt(bit));
    for (let byte = 0; byte < 1 << bit; byte++) table[byte | (1 << bit)] = (table[byte] ?? 0n) ^ value;
  }
  return table;
}

/** The digest of exactly one window, from nothing. The hot loop goes on from there, see rabin-wasm.ts. */
export function windowDigest(window: Uint8Array, tables: RabinTables): bigint {
  let digest = 0n;
  for (const byte of window) {
    const index = Number(digest >> (polynomialDegree - 8n));
    digest = ((digest << 8n) | BigInt(byte)) ^ (tables.mod[index] ?? 0n);
  }
  return digest;
}
