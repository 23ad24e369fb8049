import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';

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

/** How calls to one store are made again. */
export interface Retry {
  /** Makes the call until it succeeds, fails for good, or the attempts are used up. Attempts count from 1. */
  run<T>(call: (attempt: number) => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
  /** For work that is resumed instead of made again. */
  startTrouble(): Pause;
}

/** Waits before the next attempt, or throws the error if there is to be none. */
export type Pause = (error: unknown, signal: AbortSignal | undefined) => Promise<void>;

/**
 * Exponential backoff with full jitter, so that many movers that lost the same server do not come back in step. Errors
 * that are not retryable and aborts pass at once.
 */
export function createRetry(options: RetryOptions = {}): Retry {
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

  const run = async <T>(call: (attempt: number) => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    const pause = startTrouble();
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await call(attempt);
        answered = true;
        return result;
      } catch (error) {
        await pause(error, signal);
      }
    }
  };

  return { run, startTrouble };
}
