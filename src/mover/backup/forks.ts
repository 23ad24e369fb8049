/** Runs branches of a recursion, some at the same time; see `createForks`. */
export type Fork = (branches: readonly (() => Promise<void>)[]) => Promise<void>;

/**
 * Lets up to `max` branches of a recursion run beside the one that forks, all levels together. A branch for which there
 * is no room runs in its turn instead, so nothing waits for room that its own parents hold. Ends when all branches have
 * ended; throws the first failure, and starts no more after it.
 */
export function createForks(max: number): Fork {
  let free = max;
  return async (branches) => {
    const started: Promise<void>[] = [];
    let failure: { readonly error: unknown } | undefined;
    const run = async (branch: () => Promise<void>): Promise<void> => {
      try {
        await branch();
      } catch (error) {
        failure ??= { error };
      }
    };
    for (const branch of branches) {
      if (failure !== undefined) break;
      if (free > 0) {
        free--;
        started.push(run(branch).finally(() => free++));
      } else {
        await run(branch);
      }
    }
    await Promise.all(started);
    if (failure !== undefined) throw failure.error;
  };
}
