import { promisify } from 'node:util';
import { constants, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { messageOf } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { nativeCodec } from './native.ts';

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

/** Compresses into one frame in the target; answers its length, or undefined if it does not fit. */
export function compressInto(target: Uint8Array, plain: Uint8Array): number | undefined {
  const native = nativeCodec();
  if (native !== undefined) return native.compress(LEVEL, target, plain);
  const compressed = compress(plain);
  if (compressed.length > target.length) return undefined;
  target.set(compressed);
  return compressed.length;
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

/** Memory that is reserved for what is decompressed aside; only what is filled is taken. */
const ASIDE_BYTES = 16 * 1024 * 1024;

const decompressInPool = promisify(zstdDecompress);

/** As `decompress`, but in Node's thread pool: for what is large and not waited for by anything else. */
export async function decompressAside(compressed: Uint8Array, bytesMax: number, what: string): Promise<Buffer> {
  try {
    const chunkSize = Math.min(Math.max(1024, bytesMax), ASIDE_BYTES);
    return await decompressInPool(compressed, { maxOutputLength: Math.max(1, bytesMax), chunkSize });
  } catch (error) {
    throw corrupt(`${what} cannot be decompressed: ${messageOf(error)}`, error);
  }
}

/** Decompresses into the caller's memory and answers how many bytes it filled; more than fit is an error. */
export function decompressInto(target: Uint8Array, compressed: Uint8Array, what: string): number {
  const native = nativeCodec();
  if (native === undefined) {
    const plain = decompress(compressed, target.length, what);
    target.set(plain);
    return plain.length;
  }
  const result = native.decompress(target, compressed);
  if (typeof result === 'string') throw corrupt(`${what} cannot be decompressed: ${result}`);
  return result;
}
