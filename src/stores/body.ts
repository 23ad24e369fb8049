import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { ObjectBody, PutOptions } from './store.ts';

/** More is not read into memory at once: packs are below 512 MiB. Larger objects are read in ranges. */
export const READ_BYTES_MAX = 1024 * 1024 * 1024;

/** Bytes of the body, if they are known before it is read. */
export function knownLength(body: ObjectBody, options: PutOptions | undefined): number | undefined {
  return body instanceof Uint8Array ? body.length : options?.length;
}

/**
 * The pieces of a body, as they come. An abort ends the waiting for a source that hangs; one that fails is told apart
 * from the store (`SourceUnreadable`), and one that is not as long as was announced is refused (`InvalidInput`).
 */
export async function* piecesOf(body: ObjectBody, options: PutOptions | undefined): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) {
    yield body;
    return;
  }
  const announced = options?.length;
  let received = 0;
  for await (const piece of readable(body, options?.signal)) {
    received += piece.length;
    if (announced !== undefined && received > announced) throw otherLength(`more than ${announced}`, announced);
    yield piece;
  }
  if (announced !== undefined && received < announced) throw otherLength(String(received), announced);
}

/** The whole body in memory, as a copy that the caller's later changes do not reach. */
export async function collect(body: ObjectBody, options: PutOptions | undefined): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.concat(await Array.fromAsync(piecesOf(body, options)));
}

/** The body as a stream that tells of every piece before it gives it on. */
export async function* observed(
  body: AsyncIterable<Uint8Array>,
  onPiece: (bytes: number) => void | Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    await onPiece(piece.length);
    yield piece;
  }
}

async function* readable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  signal?.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const step = await nextOf(iterator, signal);
      if (step.done === true) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    // A source that hangs would not answer to this either: it is told, and not waited for.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** The next step of the source, or the abort if that comes first. */
async function nextOf<T>(iterator: AsyncIterator<T>, signal: AbortSignal | undefined): Promise<IteratorResult<T>> {
  const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<T>>();
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  // Not a race with one long-lived promise: that would remember every step of a long stream.
  iterator.next().then(resolve, (error: unknown) => reject(sourceError(error)));
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function sourceError(error: unknown): unknown {
  if (error instanceof SalvorError || isAbort(error)) return error;
  return new SalvorError(`What was to be written could not be read: ${messageOf(error)}`, {
    code: 'SourceUnreadable',
    cause: error,
  });
}

function otherLength(received: string, announced: number): SalvorError {
  return new SalvorError(`The body has ${received} bytes, but ${announced} were announced`, { code: 'InvalidInput' });
}
