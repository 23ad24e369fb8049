import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { aroundCalls } from './around.ts';
import { observed } from './body.ts';
import type { Store } from './store.ts';

export interface Bandwidth {
  /** Default: no bound. */
  readonly uploadBytesPerSecond?: number | undefined;
  /** Default: no bound. */
  readonly downloadBytesPerSecond?: number | undefined;
  readonly clock?: Clock;
}

/**
 * Keeps what goes to and comes from the store under a number of bytes per second, all calls together. An object of
 * known size waits for its turn and then goes at full speed, so the bound holds over a few objects and not within one.
 * Goes inside `withRetry`: bytes that are sent again use the line again.
 */
export function withBandwidth(store: Store, bandwidth: Bandwidth): Store {
  const clock = bandwidth.clock ?? systemClock;
  const upload = createBucket(bandwidth.uploadBytesPerSecond, clock);
  const download = createBucket(bandwidth.downloadBytesPerSecond, clock);
  return {
    ...aroundCalls(store, async (_call, run) => run()),
    put: async (key, body, options) => {
      if (!(body instanceof Uint8Array)) {
        const paced = observed(body, async (bytes) => upload(bytes, options?.signal));
        return store.put(key, paced, options);
      }
      await upload(body.length, options?.signal);
      return store.put(key, body, options);
    },
    get: async (key, options) => {
      if (options?.length !== undefined) {
        await download(options.length, options.signal);
        return store.get(key, options);
      }
      const bytes = await store.get(key, options);
      await download(bytes.length, options?.signal);
      return bytes;
    },
  };
}

/** Resolves when this many bytes may pass. Who asks first goes first. */
type Bucket = (bytes: number, signal: AbortSignal | undefined) => Promise<void>;

/** Unused time is not saved up for more than this: after a pause no burst overfills the line. */
const BURST_MS_MAX = 1_000;

function createBucket(bytesPerSecond: number | undefined, clock: Clock): Bucket {
  if (bytesPerSecond === undefined) return async (_bytes, signal) => signal?.throwIfAborted();
  if (!(bytesPerSecond > 0)) {
    throw new SalvorError(`Not a bandwidth: ${bytesPerSecond} bytes per second`, { code: 'InvalidInput' });
  }
  /** The moment at which everything that was let through has passed at the allowed speed. */
  let paidUntilMs = Number.NEGATIVE_INFINITY;
  return async (bytes, signal) => {
    signal?.throwIfAborted();
    const nowMs = clock.now();
    const startMs = Math.max(paidUntilMs, nowMs - BURST_MS_MAX);
    const costMs = (bytes / bytesPerSecond) * 1000;
    paidUntilMs = startMs + costMs;
    if (startMs <= nowMs) return;
    try {
      await clock.sleep(startMs - nowMs, signal);
    } catch (error) {
      // Who gave up used nothing: those behind him need not wait for it. (Those already asleep keep their moment.)
      paidUntilMs -= costMs;
      throw error;
    }
  };
}
