import { promisify } from 'node:util';
import { constants, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { messageOf } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import { nativeCodec, type ZstdParameters } from './native.ts';

const { ZSTD_c_compressionLevel, ZSTD_c_strategy, ZSTD_c_minMatch, ZSTD_fast } = constants;

/** The tables of zstd's default level with its fastest search: a quarter faster on pages of a database, and as small. */
const large: ZstdParameters = { [ZSTD_c_compressionLevel]: 3, [ZSTD_c_strategy]: ZSTD_fast };
/** Where there is little to look back to, level 1 finds as much in two thirds of the time; shorter matches gain nothing. */
const small: ZstdParameters = { [ZSTD_c_compressionLevel]: 1, [ZSTD_c_minMatch]: 6 };
const SMALL_BYTES_MAX = 64 * 1024;

type Compressor = (target: Uint8Array, plain: Uint8Array) => number | undefined;
/** One of each in a thread, made when it is needed. */
const compressors = new Map<ZstdParameters, Compressor>();

function parametersFor(plain: Uint8Array): ZstdParameters {
  return plain.length <= SMALL_BYTES_MAX ? small : large;
}

/** Compresses into one frame. One output chunk: growing in 16 KiB steps costs a third of the time. */
export function compress(plain: Uint8Array): Buffer {
  return zstdCompressSync(plain, {
    chunkSize: Math.max(1024, plain.length + 1024),
    params: parametersFor(plain),
    pledgedSrcSize: plain.length,
  });
}

/** Compresses into one frame in the target; answers its length, or undefined if it does not fit. */
export function compressInto(target: Uint8Array, plain: Uint8Array): number | undefined {
  const parameters = parametersFor(plain);
  const compressor = compressors.get(parameters) ?? nativeCodec()?.compressor(parameters);
  if (compressor !== undefined) {
    compressors.set(parameters, compressor);
    return compressor(target, plain);
  }
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
