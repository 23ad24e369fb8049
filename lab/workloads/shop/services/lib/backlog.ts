/**
 * Keeps the queue between the two databases small: a request that would make it longer than the limit waits for
 * room. Small queues matter to the proof: a long backlog hides orphans and losses behind "still under way".
 */
export interface Backlog {
  /** Resolves with true when there is room; with false when there was none in time. The place is taken. */
  enter(timeoutMs: number): Promise<boolean>;
  /** Gives a place back whose work was never queued. */
  leave(): void;
  /** Sets the length that was counted in the database. */
  set(length: number): void;
  readonly length: number;
}

export function createBacklog(limit: number): Backlog {
  let length = 0;
  const waiting: Array<() => void> = [];
  const admit = (): void => {
    while (length < limit) {
      const next = waiting.shift();
      if (next === undefined) return;
      length++;
      next();
    }
  };
  return {
    async enter(timeoutMs) {
      if (length < limit && waiting.length === 0) {
        length++;
        return true;
      }
      const place = Promise.withResolvers<boolean>();
      const enter = (): void => place.resolve(true);
      waiting.push(enter);
      const timer = setTimeout(() => {
        const index = waiting.indexOf(enter);
        if (index >= 0) waiting.splice(index, 1);
        place.resolve(false);
      }, timeoutMs);
      const entered = await place.promise;
      clearTimeout(timer);
      return entered;
    },
    leave() {
      length = Math.max(0, length - 1);
      admit();
    },
    set(counted) {
      length = counted;
      admit();
    },
    get length() {
      return length;
    },
  };
}
