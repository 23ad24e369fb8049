import type { BlobId } from '../types.ts';

/**
 * A set of ids in one buffer: 33 bytes a slot, at most two thirds full, nothing for the garbage collector to visit. A Set
 * of strings takes four times as much, and a prune of a large repository holds millions.
 */
export interface IdSet {
  readonly size: number;
  has(id: BlobId): boolean;
  /** Answers false if it was there. */
  add(id: BlobId): boolean;
  /** Takes it out for `has` and `take`; answers false if it was not there, or was taken before. */
  take(id: BlobId): boolean;
  /** Puts back all that was taken. */
  restore(): void;
}

const ID_BYTES = 32;
const SLOTS_FIRST = 1024;

const FREE = 0;
const HELD = 1;
const TAKEN = 2;

export function createIdSet(): IdSet {
  let ids = Buffer.alloc(SLOTS_FIRST * ID_BYTES);
  let states = new Uint8Array(SLOTS_FIRST);
  let filled = 0;
  let taken = 0;
  const wanted = Buffer.alloc(ID_BYTES);

  /** The slot of `wanted`, or the free one where it belongs. Ids are hashes: their first bytes spread well enough. */
  const slotOf = (): number => {
    const mask = states.length - 1;
    for (let slot = wanted.readUInt32LE(0) & mask; ; slot = (slot + 1) & mask) {
      if (states[slot] === FREE) return slot;
      if (wanted.compare(ids, slot * ID_BYTES, (slot + 1) * ID_BYTES) === 0) return slot;
    }
  };

  const find = (id: BlobId): number => {
    wanted.write(id, 'hex');
    return slotOf();
  };

  const grow = (): void => {
    const [oldIds, oldStates] = [ids, states];
    ids = Buffer.alloc(oldIds.length * 2);
    states = new Uint8Array(oldStates.length * 2);
    for (const [slot, state] of oldStates.entries()) {
      if (state === FREE) continue;
      oldIds.copy(wanted, 0, slot * ID_BYTES, (slot + 1) * ID_BYTES);
      const target = slotOf();
      wanted.copy(ids, target * ID_BYTES);
      states[target] = state;
    }
  };

  return {
    get size() {
      return filled - taken;
    },
    has: (id) => states[find(id)] === HELD,
    add(id) {
      if (filled * 3 >= states.length * 2) grow();
      const slot = find(id);
      if (states[slot] === HELD) return false;
      if (states[slot] === FREE) {
        wanted.copy(ids, slot * ID_BYTES);
        filled++;
      } else {
        taken--;
      }
      states[slot] = HELD;
      return true;
    },
    take(id) {
      const slot = find(id);
      if (states[slot] !== HELD) return false;
      states[slot] = TAKEN;
      taken++;
      return true;
    },
    restore() {
      for (const [slot, state] of states.entries()) if (state === TAKEN) states[slot] = HELD;
      taken = 0;
    },
  };
}
