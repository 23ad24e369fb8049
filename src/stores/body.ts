import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { ObjectBody, PutOptions } from './store.ts';

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
  const iterator = source[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal?.reason);
  // Nobody may be waiting when it rejects.
  aborted.promise.catch(() => undefined);
  signal?.addEventListener('abort', onAbort, { once: true });
  let ended = false;
  try {
    signal?.throwIfAborted();
    for (;;) {
      const step = await Promise.race([nextOf(iterator), aborted.promise]);
      if (step.done === true) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    // A source that hangs would not answer to this either: it is told, and not waited for.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

async function nextOf<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
  try {
    return await iterator.next();
  } catch (error) {
    if (error instanceof SalvorError || isAbort(error)) throw error;
    throw new SalvorError(`What was to be written could not be read: ${messageOf(error)}`, {
      code: 'SourceUnreadable',
      cause: error,
    });
  }
}

function otherLength(received: string, announced: number): SalvorError {
  return new SalvorError(`The body has ${received} bytes, but ${announced} were announced`, { code: 'InvalidInput' });
}
