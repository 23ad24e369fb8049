/** Has what is written go to the storage while more is written, so that little is left to wait for at the end. */
export interface WriteBehind extends AsyncDisposable {
  /** So many bytes are written by now. */
  reached(bytes: number): void;
}

/** Enough for a file system to lay out neighbours together, little against what the kernel holds back by itself. */
const bytesPerRound = 64 * 1024 * 1024;

/** `writeBack` is called once at a time: with a slow storage the rounds become larger, and not more. */
export function createWriteBehind(writeBack: () => Promise<void>): WriteBehind {
  let reached = 0;
  let begun = 0;
  let round: Promise<void> | undefined;
  const begin = (): void => {
    if (round !== undefined || reached - begun < bytesPerRound) return;
    begun = reached;
    round = writeBack().finally(() => {
      round = undefined;
      begin();
    });
  };
  return {
    reached: (bytes) => {
      reached = bytes;
      begin();
    },
    [Symbol.asyncDispose]: async () => {
      begun = Number.POSITIVE_INFINITY;
      await round;
    },
  };
}
