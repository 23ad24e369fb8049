import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { messageOf } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { nativeZstd } from './native-zstd.ts';

/** zstd's own default: the best ratio before the speed of one core drops below that of a disk. */
const LEVEL = 3;

/** Compresses into one frame. One output chunk: growing in 16 KiB steps costs a third of the time. */
export function compress(plain: Uint8Array): Buffer {
  return zstdCompressSync(plain, {
    chunkSize: Math.max(1024, plain.length + 1024),
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    pledgedSrcSize: plain.length,
  });
}

/** Decompresses, but never to more than `bytesMax`: a few hostile bytes can ask for gigabytes. */
export function decompress(compressed: Uint8Array, bytesMax: number, what: string): Buffer {
  try {
    return zstdDecompressSync(compressed, {
      maxOutputLength: Math.max(1, bytesMax),
      chunkSize: Math.min(Math.max(1024, bytesMax), 4 * 1024 * 1024),
    });
  } catch (error) {
    throw corrupt(`${what} cannot be decompressed: ${messageOf(error)}`, error);
  }
}

/** Decompresses into the caller's memory and answers how many bytes it filled; more than fit is an error. */
export function decompressInto(target: Uint8Array, compressed: Uint8Array, what: string): number {
  const native = nativeZstd();
  if (native === undefined) {
    const plain = decompress(compressed, target.length, what);
    target.set(plain);
    return plain.length;
  }
  const result = native.decompress(target, compressed);
  if (typeof result === 'string') throw corrupt(`${what} cannot be decompressed: ${result}`);
  return result;
}
