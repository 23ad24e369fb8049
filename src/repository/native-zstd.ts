import { createRequire } from 'node:module';

/**
 * The libzstd inside the Node program itself, called directly: one context for all frames and memory of the caller's. The
 * calls of `node:zlib` make a context, a stream and new memory each time, which costs four times the decompression of a
 * small blob and half of that of a large one.
 */
export interface NativeZstd {
  /** Decompresses one or more whole frames. Answers the bytes written, or the reason why not. */
  decompress(target: Uint8Array, compressed: Uint8Array): number | string;
}

let loaded: NativeZstd | 'missing' | undefined;

/** Undefined where the native module cannot be loaded, or this Node does not export its libzstd. */
export function nativeZstd(): NativeZstd | undefined {
  loaded ??= bind() ?? 'missing';
  return loaded === 'missing' ? undefined : loaded;
}

function bind(): NativeZstd | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null);
    const createContext = library.func('ZSTD_createDCtx', 'void *', []) as () => unknown;
    const decompressInto = library.func('ZSTD_decompressDCtx', 'size_t', [
      'void *',
      'void *',
      'size_t',
      'const void *',
      'size_t',
    ]) as (context: unknown, to: Uint8Array, toBytes: number, from: Uint8Array, fromBytes: number) => number | bigint;
    const isError = library.func('ZSTD_isError', 'uint', ['size_t']) as (code: number | bigint) => number;
    const errorName = library.func('ZSTD_getErrorName', 'const char *', ['size_t']) as (
      code: number | bigint,
    ) => string;
    // Lives as long as the thread: calls are synchronous, so one is enough.
    const context = createContext();
    return {
      decompress: (target, compressed) => {
        const result = decompressInto(context, target, target.length, compressed, compressed.length);
        return isError(result) === 0 ? Number(result) : errorName(result);
      },
    };
  } catch {
    return undefined;
  }
}
