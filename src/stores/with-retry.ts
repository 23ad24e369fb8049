import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import type { CallOptions, ObjectInfo, PutOptions, Store } from './store.ts';

/** Attempts per call; with the waits below a call gives up after at most 32 s of waiting, 16 s on average. */
const ATTEMPTS_MAX = 8;
/** Attempts can take long, too: this long after the first failure no new one begins. */
const TROUBLE_MS_MAX = 30_000;
const WAIT_MS_FIRST = 500;
const WAIT_MS_MAX = 8_000;

export interface RetryOptions {
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Attempts until the store answers for the first time: one that never did is more likely misspelt than ill. Default: as always. */
  readonly firstAttemptsMax?: number | undefined;
}

/**
 * Makes calls again that failed with a retryable error: exponential backoff with full jitter, so that many movers
 * that lost the same server do not come back in step. Other errors and aborts pass at once.
 */
export function withRetry(store: Store, options: RetryOptions = {}): Store {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;

  let answered = options.firstAttemptsMax === undefined;
  const startTrouble = (): Pause => {
    let attempts = 0;
    let sinceMs: number | undefined;
    return async (error, signal) => {
      signal?.throwIfAborted();
      attempts++;
      sinceMs ??= clock.now();
      const attemptsMax = answered ? ATTEMPTS_MAX : (options.firstAttemptsMax ?? ATTEMPTS_MAX);
      const goOn = attempts < attemptsMax && clock.now() - sinceMs <= TROUBLE_MS_MAX;
      if (!(error instanceof SalvorError && error.retryable && goOn)) throw error;
      await clock.sleep(random() * Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** (attempts - 1)), signal);
    };
  };

  const retry = async <T>(call: (attempt: number) => Promise<T>, callOptions: CallOptions | undefined): Promise<T> => {
    const pause = startTrouble();
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await call(attempt);
        answered = true;
        return result;
      } catch (error) {
        await pause(error, callOptions?.signal);
      }
    }
  };

  /** An earlier attempt may have written the object although its answer was lost: then it is ours, and not "there already". */
  const putAgain = async (key: string, body: Uint8Array, putOptions: PutOptions): Promise<boolean> => {
    if (await store.put(key, body, putOptions)) return true;
    const info = await store.head(key, putOptions);
    if (info?.size !== body.length) return false;
    return (await store.get(key, putOptions)).equals(body);
  };

  return {
    location: store.location,
    put: async (key, body, putOptions) =>
      retry(
        async (attempt) =>
          attempt > 1 && putOptions?.ifAbsent === true
            ? putAgain(key, body, putOptions)
            : store.put(key, body, putOptions),
        putOptions,
      ),
    get: async (key, getOptions) => retry(async () => store.get(key, getOptions), getOptions),
    head: async (key, callOptions) => retry(async () => store.head(key, callOptions), callOptions),
    list: (prefix, callOptions) => listAgain({ store, prefix, options: callOptions, startTrouble }),
    delete: async (key, callOptions) => retry(async () => store.delete(key, callOptions), callOptions),
    close: async () => store.close(),
  };
}

/** Waits before the next attempt, or throws the error if there is to be none. */
type Pause = (error: unknown, signal: AbortSignal | undefined) => Promise<void>;

interface Listing {
  readonly store: Store;
  readonly prefix: string;
  readonly options: CallOptions | undefined;
  readonly startTrouble: () => Pause;
}

/** A listing that broke starts again and skips what it has given out. One that gave something new is in new trouble. */
async function* listAgain({ store, prefix, options, startTrouble }: Listing): AsyncIterable<ObjectInfo> {
  const given = new Set<string>();
  let pause = startTrouble();
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
      if (given.size > before) pause = startTrouble();
      await pause(error, options?.signal);
    }
  }
}
