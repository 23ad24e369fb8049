/** Lets work through while it holds less than a number of bytes together; the others wait, first come first served. */
export interface ByteGate {
  /** One that is larger than all that may pass goes alone. Throws the signal's reason. */
  enter(bytes: number, signal: AbortSignal): Promise<void>;
  leave(bytes: number): void;
}

export function createByteGate(bytesMax: number): ByteGate {
  let inside = 0;
  const waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  const fits = (bytes: number): boolean => inside === 0 || inside + bytes <= bytesMax;
  const admit = (): void => {
    for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
      waiting.shift();
      inside += next.bytes;
      next.enter();
    }
  };
  return {
    enter: async (bytes, signal) => {
      signal.throwIfAborted();
      if (waiting.length === 0 && fits(bytes)) {
        inside += bytes;
        return;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const place = { bytes, enter: resolve };
      const giveUp = (): void => {
        const index = waiting.indexOf(place);
        if (index < 0) return;
        waiting.splice(index, 1);
        reject(signal.reason);
        admit();
      };
      waiting.push(place);
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        await promise;
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    },
    leave: (bytes) => {
      inside -= bytes;
      admit();
    },
  };
}
