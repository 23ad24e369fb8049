import { setTimeout as delay } from 'node:timers/promises';
import { SalvorError } from './errors.ts';
import type { Clock } from './time.ts';

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal === undefined ? undefined : { signal });
  },
};

/** Runs the work over all items, at most `limit` at a time; the first failure aborts the rest and is thrown. Results keep the order. */
export async function mapLimit<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  const failed = new AbortController();
  const both = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      both.throwIfAborted();
      const index = next++;
      results[index] = await work(items[index] as T, both);
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, async () => {
    try {
      await worker();
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const settled = await Promise.allSettled(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
  signal?.throwIfAborted();
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}

/**
 * The results of the work over all items, in order, begun for up to `ahead` items before they are asked for. A failure
 * is thrown in its turn. Who stops early leaves work behind that nobody waits for.
 */
export async function* mapAhead<T, R>(
  items: Iterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<readonly [T, R]> {
  const begun: (readonly [T, Promise<R>])[] = [];
  for (const item of items) {
    const result = work(item);
    // It is thrown when it is its turn; until then nobody looks at it.
    result.catch(() => {});
    begun.push([item, result]);
    const [first] = begun;
    if (begun.length <= ahead || first === undefined) continue;
    void begun.shift();
    yield [first[0], await first[1]];
  }
  for (const [item, result] of begun) yield [item, await result];
}

export interface WaitOptions {
  /** What is waited for, as the end of the sentence "Timed out waiting for ...". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** What the user should do when the time is over. */
  readonly hint?: string;
}

/** Asks until the answer is not undefined; bounded in time. */
export async function waitFor<T>(ask: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (clock.now() >= deadline) {
      throw new SalvorError(`Timed out waiting for ${options.what}`, {
        code: 'Timeout',
        ...(options.hint === undefined ? {} : { hint: options.hint }),
      });
    }
    await clock.sleep(options.intervalMs ?? 200, options.signal);
  }
}
