import { interruptible } from './interruptible.ts';
import { PACK_MEMORY_BYTES } from './pack.ts';

/**
 * The memory of packs that are filled or on their way to the store, shared by all threads that pack. Their number is
 * what bounds the memory of a backup, and what makes fast readers wait for a slow store: who finds none free waits.
 */
export interface PackMemory {
  /** To be given to another thread, for `openPackMemory`. */
  readonly shared: SharedPackMemory;
  /** Memory for one pack, or undefined if all is in use. */
  tryTake(): MemorySlot | undefined;
  /** The same, and blocks the thread until there is some. Not for a thread that has anything else to do. */
  takeBlocking(): MemorySlot;
  /** The same, without blocking. */
  take(signal?: AbortSignal): Promise<MemorySlot>;
  /** Gives memory back, from any thread. */
  release(slot: number): void;
  /** Makes more of it. Threads that were given `shared` before do not see it. */
  add(slots: number): void;
}

export interface SharedPackMemory {
  readonly slots: readonly SharedArrayBuffer[];
  readonly control: SharedArrayBuffer;
}

export interface MemorySlot {
  readonly slot: number;
  readonly buffer: Buffer;
}

/** The word that counts releases, before one word per slot. */
const RELEASES = 0;
const FIRST_SLOT = 1;
/** More threads than any machine of ours has cores. */
const SLOTS_MAX = 1024;
const FREE = 0;
const TAKEN = 1;

/** Pages that are never written take no memory, so slots that are never needed cost nothing. */
export function createPackMemory(slots: number): PackMemory {
  const control = new SharedArrayBuffer((FIRST_SLOT + SLOTS_MAX) * Int32Array.BYTES_PER_ELEMENT);
  const memory = openPackMemory({ slots: [], control });
  memory.add(slots);
  return memory;
}

export function openPackMemory(shared: SharedPackMemory): PackMemory {
  const control = new Int32Array(shared.control);
  const slots = [...shared.slots];
  const buffers = slots.map((slot) => Buffer.from(slot));

  const tryTake = (): MemorySlot | undefined => {
    for (const [slot, buffer] of buffers.entries()) {
      if (Atomics.compareExchange(control, FIRST_SLOT + slot, FREE, TAKEN) === FREE) return { slot, buffer };
    }
    return undefined;
  };

  return {
    get shared() {
      return { slots: [...slots], control: shared.control };
    },
    tryTake,
    takeBlocking() {
      for (;;) {
        const releases = Atomics.load(control, RELEASES);
        const found = tryTake();
        if (found !== undefined) return found;
        Atomics.wait(control, RELEASES, releases);
      }
    },
    async take(signal) {
      for (;;) {
        signal?.throwIfAborted();
        const releases = Atomics.load(control, RELEASES);
        const found = tryTake();
        if (found !== undefined) return found;
        const waiting = Atomics.waitAsync(control, RELEASES, releases);
        if (waiting.async) await interruptible(waiting.value, signal);
      }
    },
    release(slot) {
      Atomics.store(control, FIRST_SLOT + slot, FREE);
      Atomics.add(control, RELEASES, 1);
      Atomics.notify(control, RELEASES);
    },
    add(count) {
      for (let made = 0; made < count && slots.length < SLOTS_MAX; made++) {
        const slot = new SharedArrayBuffer(PACK_MEMORY_BYTES);
        slots.push(slot);
        buffers.push(Buffer.from(slot));
      }
    },
  };
}
