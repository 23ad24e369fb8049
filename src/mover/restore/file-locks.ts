/**
 * Locks that threads share, in a fixed number of places: files share them by chance. The kernel lets one thread at a
 * time write to a file, and those that wait burn a core each in its queue; here they sleep.
 */
export interface FileLocks {
  hold(file: number): Disposable;
}

const places = 256;
const free = 0;
const held = 1;

export function newFileLocks(): SharedArrayBuffer {
  return new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT);
}

export function createFileLocks(memory: SharedArrayBuffer): FileLocks {
  const words = new Int32Array(memory);
  return {
    hold: (file) => {
      const place = file % places;
      while (Atomics.compareExchange(words, place, free, held) !== free) Atomics.wait(words, place, held);
      return {
        [Symbol.dispose]: () => {
          Atomics.store(words, place, free);
          Atomics.notify(words, place, 1);
        },
      };
    },
  };
}
