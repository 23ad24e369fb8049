import { createCipheriv, hash } from 'node:crypto';

/** Numbers and bytes that depend on the seed only: the same data on every machine and in every run. */
export interface Random {
  /** A whole number from 0, below `bound` (at most 2^32). */
  readonly below: (bound: number) => number;
  /** Fills with bytes that no compressor makes smaller. */
  readonly fill: (target: Buffer) => void;
}

/** xorshift128 (Marsaglia 2003) for numbers, a keystream of AES-256-CTR for bytes. */
export function createRandom(seed: string): Random {
  const key = hash('sha256', seed, 'buffer');
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => key.readInt32LE(at)) as [number, number, number, number];
  const keystream = createCipheriv('aes-256-ctr', key, key.subarray(0, 16));
  return {
    below(bound) {
      const mixed = d ^ (d << 11);
      [b, c, d] = [a, b, c];
      a = (mixed ^ (mixed >>> 8) ^ a ^ (a >>> 19)) | 0;
      return (a >>> 0) % bound;
    },
    fill(target) {
      target.fill(0);
      target.set(keystream.update(target));
    },
  };
}
