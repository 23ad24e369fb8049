import { interruptible } from './interruptible.ts';
import { PACK_MEMORY_BYTES } from './pack.ts';

/**
 * The memory of packs that are filled or on their way to the store, shared by all threads that pack. Their number is
 * what bounds the memory of a backup, and what makes fast readers wait for a slow store: who finds none free waits.
 */
export interface PackMemory {
  /** To be given to another thread, for `openPackMemory`. Makes all of the memory. */
  readonly shared: SharedPackMemory;
  /** Memory for one pack, or undefined if all is in use. */
  tryTake(): MemorySlot | undefined;
  /** The same, and blocks the thread until there is some. Not for a thread that has anything else to do. */
  takeBlocking(): MemorySlot;
  /** The same, without blocking. */
  take(signal?: AbortSignal): Promise<MemorySlot>;
  /** Gives memory back, from any thread. */
  release(slot: number): void;
  /** Allows more of it. Threads that were given `shared` before do not see it. */
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

/**
 * Memory is made when it is first taken: who only reads, or writes little, needs next to none. Until other threads are
 * to share it, it is the process' own, which the garbage collector gives back in time, as it does not with shared memory.
 */
export function createPackMemory(slots: number): PackMemory {
  const control = new SharedArrayBuffer((FIRST_SLOT + SLOTS_MAX) * Int32Array.BYTES_PER_ELEMENT);
  return overSlots({ slots: [], control }, slots);
}

export function openPackMemory(shared: SharedPackMemory): PackMemory {
  return overSlots(shared, shared.slots.length);
}

function overSlots(shared: SharedPackMemory, count: number): PackMemory {
  const control = new Int32Array(shared.control);
  const slots = [...shared.slots];
  const buffers: (Buffer | undefined)[] = slots.map((slot) => Buffer.from(slot));
  let slotsAllowed = count;

  const tryTake = (): MemorySlot | undefined => {
    for (let slot = 0; slot < slotsAllowed; slot++) {
      if (Atomics.compareExchange(control, FIRST_SLOT + slot, FREE, TAKEN) === FREE)
        return { slot, buffer: (buffers[slot] ??= Buffer.allocUnsafeSlow(PACK_MEMORY_BYTES)) };
    }
    return undefined;
  };

  return {
    get shared() {
      // A buffer that is in use stays its user's; who takes that slot next gets the shared one.
      for (let slot = slots.length; slot < slotsAllowed; slot++) {
        const memory = new SharedArrayBuffer(PACK_MEMORY_BYTES);
        slots.push(memory);
        buffers[slot] = Buffer.from(memory);
      }
      return { slots, control: shared.control };
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
    add(more) {
      slotsAllowed = Math.min(SLOTS_MAX, slotsAllowed + more);
    },
  };
}
