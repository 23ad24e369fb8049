import { aroundCalls } from './around.ts';
import type { CallOptions, Store } from './store.ts';

/** Lets at most `limit` calls run at a time; others wait their turn, first come first served. Listing is not counted. */
export function withLimit(store: Store, limit: number): Store {
  const gate = createGate(limit);
  // A listing that waits for its reader would hold a place and could block the reader's own calls for ever.
  return aroundCalls(store, async (call, run) => gate(call.options, run));
}

type Gate = <T>(options: CallOptions | undefined, call: () => Promise<T>) => Promise<T>;

function createGate(limit: number): Gate {
  let free = limit;
  const waiting = new Set<() => void>();
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      free++;
      return;
    }
    waiting.delete(next);
    next();
  };
  const enter = async (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    if (free > 0) {
      free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      waiting.delete(resolve);
      reject(signal?.reason);
    };
    waiting.add(resolve);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  };
  return async (options, call) => {
    await enter(options?.signal);
    try {
      return await call();
    } finally {
      leave();
    }
  };
}
