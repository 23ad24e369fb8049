import { SalvorError } from '#shared/errors';

/** Work that goes on in the background of a run. The first failure ends all of it; disposed, it is ended and waited for. */
export interface WorkSet extends AsyncDisposable {
  /** Aborts when the caller's signal does, or when any of the work fails. */
  readonly signal: AbortSignal;
  add(work: Promise<void>): void;
  /** Resolves when some of the work is done, at once if there is none. Throws what ended the run. */
  progress(): Promise<void>;
  /** Resolves when all of it is done, also what it adds. Throws what ended the run. */
  finish(): Promise<void>;
}

export function createWorkSet(outer: AbortSignal): WorkSet {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const underway = new Set<Promise<void>>();
  let next = Promise.withResolvers<void>();
  const drain = async (): Promise<void> => {
    while (underway.size > 0) await Promise.all(underway);
  };
  return {
    signal,
    add: (work) => {
      const followed = work
        .catch((error: unknown) => failed.abort(error))
        .finally(() => {
          underway.delete(followed);
          next.resolve();
          next = Promise.withResolvers();
        });
      underway.add(followed);
    },
    progress: async () => {
      if (underway.size > 0) await next.promise;
      signal.throwIfAborted();
    },
    finish: async () => {
      await drain();
      signal.throwIfAborted();
    },
    [Symbol.asyncDispose]: async () => {
      failed.abort(new SalvorError('The work was ended', { code: 'Cancelled', retryable: true }));
      await drain();
    },
  };
}
