import { createRequire } from 'node:module';

/**
 * zstd and OpenSSL as they are inside the Node program itself, called directly: contexts are made once and results are
 * written into memory of the caller's, also into memory that threads share. The calls of `node:zlib` and `node:crypto`
 * make a context, a stream and a buffer each time, which costs twice the compression and four times the encryption of a
 * small blob, and hundreds of megabytes of memory that waits for the garbage collector.
 *
 * Undefined where the native module cannot be loaded or this Node does not export them: then there is `node:zlib` and
 * `node:crypto`, which do the same.
 */
export interface NativeCodec {
  /**
   * Compresses into one frame, with parameters of zstd by their number. Answers the bytes written, or undefined if they do
   * not fit the target.
   */
  compressor(parameters: ZstdParameters): (target: Uint8Array, plain: Uint8Array) => number | undefined;
  /** Decompresses one or more whole frames. Answers the bytes written, or the reason why not. */
  decompress(target: Uint8Array, compressed: Uint8Array): number | string;
  /** AES-256-CTR from this nonce. `target` has the plain text's length, and may be the plain text itself. */
  encryptor(key: Uint8Array): (target: Uint8Array, plain: Uint8Array, nonce: Uint8Array) => void;
}

/** As `node:zlib` takes them: the numbers of zstd.h. */
export type ZstdParameters = Readonly<Record<number, number>>;

type Pointer = unknown;
/** A function of C; what it takes and gives is said where it is bound. */
type Binder = (name: string, result: string, parameters: readonly string[]) => unknown;

let loaded: NativeCodec | 'missing' | undefined;

export function nativeCodec(): NativeCodec | undefined {
  loaded ??= load() ?? 'missing';
  return loaded === 'missing' ? undefined : loaded;
}

function load(): NativeCodec | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const program = koffi.load(null);
    const bind: Binder = (name, result, parameters) => program.func(name, result, [...parameters]) as never;
    return { compressor: bindCompressor(bind), decompress: bindDecompress(bind), encryptor: bindEncryptor(bind) };
  } catch {
    return undefined;
  }
}

function bindCompressor(bind: Binder): NativeCodec['compressor'] {
  type Bytes = Uint8Array;
  const create = bind('ZSTD_createCCtx', 'void *', []) as () => Pointer;
  const set = bind('ZSTD_CCtx_setParameter', 'size_t', ['void *', 'int', 'int']) as (
    context: Pointer,
    parameter: number,
    value: number,
  ) => number | bigint;
  const compress = bind('ZSTD_compress2', 'size_t', ['void *', 'void *', 'size_t', 'const void *', 'size_t']) as (
    context: Pointer,
    to: Bytes,
    toBytes: number,
    from: Bytes,
    fromBytes: number,
  ) => number | bigint;
  const isError = bind('ZSTD_isError', 'unsigned int', ['size_t']) as (result: number | bigint) => number;
  return (parameters) => {
    // For the life of the thread: calls are synchronous.
    const context = create();
    for (const [parameter, value] of Object.entries(parameters)) {
      if (isError(set(context, Number(parameter), value)) !== 0) throw new Error('ZSTD_CCtx_setParameter failed');
    }
    return (target, plain) => {
      const written = compress(context, target, target.length, plain, plain.length);
      // With one whole input and a fresh frame the one error there is is a target that is too small.
      return isError(written) === 0 ? Number(written) : undefined;
    };
  };
}

function bindDecompress(bind: Binder): NativeCodec['decompress'] {
  type Bytes = Uint8Array;
  const create = bind('ZSTD_createDCtx', 'void *', []) as () => Pointer;
  const decompress = bind('ZSTD_decompressDCtx', 'size_t', [
    'void *',
    'void *',
    'size_t',
    'const void *',
    'size_t',
  ]) as (context: Pointer, to: Bytes, toBytes: number, from: Bytes, fromBytes: number) => number | bigint;
  const isError = bind('ZSTD_isError', 'unsigned int', ['size_t']) as (code: number | bigint) => number;
  const errorName = bind('ZSTD_getErrorName', 'const char *', ['size_t']) as (code: number | bigint) => string;
  const context = create();
  return (target, compressed) => {
    const result = decompress(context, target, target.length, compressed, compressed.length);
    return isError(result) === 0 ? Number(result) : errorName(result);
  };
}

function bindEncryptor(bind: Binder): NativeCodec['encryptor'] {
  const create = bind('EVP_CIPHER_CTX_new', 'void *', []) as () => Pointer;
  const cipher = bind('EVP_aes_256_ctr', 'void *', []) as () => Pointer;
  const init = bind('EVP_EncryptInit_ex', 'int', ['void *', 'void *', 'void *', 'const void *', 'const void *']) as (
    ...values: unknown[]
  ) => number;
  const update = bind('EVP_EncryptUpdate', 'int', ['void *', 'void *', 'void *', 'const void *', 'int']) as (
    ...values: unknown[]
  ) => number;
  const free = bind('EVP_CIPHER_CTX_free', 'void', ['void *']) as (context: Pointer) => void;
  // Frees the context of a repository that nobody holds any more, and wipes the key in it.
  const unused = new FinalizationRegistry<Pointer>(free);
  return (key) => {
    const context = create();
    const written = new Int32Array(1);
    if (init(context, cipher(), null, key, null) !== 1) throw new Error('EVP_EncryptInit_ex failed');
    const encrypt: ReturnType<NativeCodec['encryptor']> = (target, plain, nonce) => {
      const done =
        init(context, null, null, null, nonce) === 1 && update(context, target, written, plain, plain.length) === 1;
      if (!done || written[0] !== plain.length) throw new Error('EVP_EncryptUpdate failed');
    };
    unused.register(encrypt, context);
    return encrypt;
  };
}
