import { aroundCalls } from './around.ts';
import { createRetry } from './retry.ts';
import type { Retry, RetryOptions } from './retry.ts';
import type { CallOptions, ObjectBody, ObjectInfo, PutOptions, Store } from './store.ts';

/**
 * Makes calls again that failed with a retryable error, with growing, random pauses (`retry.ts`). A put of a stream is
 * made once, because what was read of it is gone; the S3 store makes its parts again instead.
 */
export function withRetry(store: Store, options: RetryOptions | Retry = {}): Store {
  const retry = 'run' in options ? options : createRetry(options);

  /** An earlier attempt may have written the object although its answer was lost: then it is ours, and not "there already". */
  const putAgain = async (key: string, body: Uint8Array, putOptions: PutOptions): Promise<boolean> => {
    if (await store.put(key, body, putOptions)) return true;
    const info = await store.head(key, putOptions);
    if (info?.size !== body.length) return false;
    return (await store.get(key, { ...signalOf(putOptions), length: body.length })).equals(body);
  };

  const put = async (key: string, body: ObjectBody, putOptions?: PutOptions): Promise<boolean> => {
    if (!(body instanceof Uint8Array)) return store.put(key, body, putOptions);
    return retry.run(
      async (attempt) =>
        attempt > 1 && putOptions?.ifAbsent === true
          ? putAgain(key, body, putOptions)
          : store.put(key, body, putOptions),
      putOptions?.signal,
    );
  };

  return {
    ...aroundCalls(store, async (call, run) => retry.run(run, call.options?.signal)),
    put,
    list: (prefix, callOptions) => listAgain({ store, prefix, options: callOptions, retry }),
  };
}

interface Listing {
  readonly store: Store;
  readonly prefix: string;
  readonly options: CallOptions | undefined;
  readonly retry: Retry;
}

/** A listing that broke starts again and skips what it has given out. One that gave something new is in new trouble. */
async function* listAgain({ store, prefix, options, retry }: Listing): AsyncIterable<ObjectInfo> {
  const given = new Set<string>();
  let pause = retry.startTrouble();
  for (;;) {
    const before = given.size;
    try {
      for await (const info of store.list(prefix, options)) {
        if (given.has(info.key)) continue;
        given.add(info.key);
        yield info;
      }
      return;
    } catch (error) {
      if (given.size > before) pause = retry.startTrouble();
      await pause(error, options?.signal);
    }
  }
}

function signalOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? {} : { signal };
}
