import { aborted } from './errors.ts';

/** A call that waits longer than this for its turn is told to come again: a queue must not grow behind a hung disk. */
const waitMsMax = 30_000;

/** Runs work while no other work holds any of the keys. */
export type Locks = <T>(keys: readonly string[], signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/**
 * Mutual exclusion per volume or snapshot id. Callers wait in the order of their arrival; keys are taken in sorted
 * order, so two calls that share several keys cannot wait for each other.
 */
export function createLocks(): Locks {
  const tails = new Map<string, Promise<void>>();

  const acquire = async (key: string, signal: AbortSignal): Promise<() => void> => {
    const before = tails.get(key) ?? Promise.resolve();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => released);
    tails.set(key, tail);
    const free = (): void => {
      release();
      if (tails.get(key) === tail) tails.delete(key);
    };
    try {
      await unlessAborted(before, signal);
    } catch (error) {
      // The place in the queue is given up, but those behind still wait for whoever is in front.
      void before.then(free);
      throw error;
    }
    return free;
  };

  return async (keys, signal, work) => {
    const patience = AbortSignal.timeout(waitMsMax);
    const held: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].sort()) held.push(await acquire(key, AbortSignal.any([signal, patience])));
      return await work();
    } catch (error) {
      if (error === patience.reason) throw aborted(`another operation on ${keys.join(', ')} is still running`, error);
      throw error;
    } finally {
      for (const free of held) free();
    }
  };
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: gaveUp, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, gaveUp]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
