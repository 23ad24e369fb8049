/** Waits for the work, or stops waiting when the signal aborts; the work goes on. */
export async function interruptible(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await work;
    return;
  }
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  work.then(() => resolve(), reject);
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
