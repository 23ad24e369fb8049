import { randomInt } from 'node:crypto';
import type { BlobType } from './types.ts';

/**
 * Which blobs this run has taken on itself to store, though they are in no stored pack yet. All threads that pack for
 * one repository share the table and none waits for another: the first to write a blob into a slot stores it.
 *
 * The table has a fixed size. What finds no place is stored, even if another thread does the same: a blob in two packs
 * costs a little space and harms nothing. Whoever drives the threads empties the table before it is full (see `used`).
 */
export interface Claims {
  /** To be given to another thread, for `openClaims`. */
  readonly shared: SharedArrayBuffer;
  /** Slots in use, of `CLAIMS_MAX`. */
  readonly used: number;
  /** Takes a blob; false if somebody did already. `id` is the 32 bytes of the hash. */
  claim(type: BlobType, id: Uint8Array): boolean;
  has(type: BlobType, id: Uint8Array): boolean;
  /** Forgets all. Only when every claimed blob is in the catalog, and no other thread packs. */
  clear(): void;
}

/** A power of two. 9 MiB of memory, and enough for 128 GiB of an image or 1 GiB of small files before it is emptied. */
const SLOTS = 2 ** 18;
/** With more than this the search for a free slot gets long. */
export const CLAIMS_MAX = (SLOTS / 8) * 7;

/** Words of a slot: its state, then the id. */
const STATE = 0;
const ID_WORDS = 8;
const SLOT_WORDS = 1 + ID_WORDS;
/** Words before the first slot: how many are in use, the seed of this table, and its round. */
const USED = 0;
const SEED = 1;
const ROUND = 2;
const HEADER_WORDS = 3;

/**
 * A state belongs to a round, which is in the bits above these; a slot of an earlier round is free. So to empty the table
 * is to begin a round, and memory that was never needed is never touched.
 */
const STATE_BITS = 2;
/** The id is being written. Whoever reads it waits a few nanoseconds. */
const WRITING = 1;
const stateOf: Readonly<Record<BlobType, number>> = { data: 2, tree: 3 };

export function createClaims(): Claims {
  const shared = new SharedArrayBuffer((HEADER_WORDS + SLOTS * SLOT_WORDS) * Int32Array.BYTES_PER_ELEMENT);
  // Unknown to whoever makes the data: nobody can craft blobs that all fall on one slot.
  const words = new Int32Array(shared);
  words[SEED] = randomInt(2 ** 32) | 0;
  words[ROUND] = 1;
  return openClaims(shared);
}

/** The table of another thread. */
export function openClaims(shared: SharedArrayBuffer): Claims {
  const words = new Int32Array(shared);
  const seed = words[SEED] ?? 0;
  const wanted = Buffer.alloc(ID_WORDS * Int32Array.BYTES_PER_ELEMENT);
  const wantedWords = new Int32Array(wanted.buffer, wanted.byteOffset, ID_WORDS);

  const isWanted = (slot: number): boolean => {
    for (let word = 0; word < ID_WORDS; word++) if (words[slot + 1 + word] !== wantedWords[word]) return false;
    return true;
  };

  const inRound = (state: number): number => (Atomics.load(words, ROUND) << STATE_BITS) | state;

  /** The word where the slot of the wanted blob begins, or where it could be written; `is` is its state. */
  const search = (state: number): { readonly slot: number; readonly found: boolean; readonly is: number } => {
    const writing = inRound(WRITING);
    let place = seed;
    for (const word of wantedWords) {
      place = Math.imul(place ^ word, 0x9e37_79b1);
      place ^= place >>> 15;
    }
    for (let step = 0; ; step++) {
      const slot = HEADER_WORDS + ((place + step) & (SLOTS - 1)) * SLOT_WORDS;
      let is = Atomics.load(words, slot + STATE);
      while (is === writing) is = Atomics.load(words, slot + STATE);
      if (is < writing) return { slot, found: false, is };
      if (is === state && isWanted(slot)) return { slot, found: true, is };
    }
  };

  return {
    shared,
    get used() {
      return Atomics.load(words, USED);
    },
    claim(type, id) {
      const state = inRound(stateOf[type]);
      wanted.set(id);
      for (;;) {
        const { slot, found, is } = search(state);
        if (found) return false;
        if (Atomics.load(words, USED) >= CLAIMS_MAX) return true;
        if (Atomics.compareExchange(words, slot + STATE, is, inRound(WRITING)) !== is) continue;
        words.set(wantedWords, slot + 1);
        Atomics.store(words, slot + STATE, state);
        Atomics.add(words, USED, 1);
        return true;
      }
    },
    has(type, id) {
      wanted.set(id);
      return search(inRound(stateOf[type])).found;
    },
    clear() {
      Atomics.add(words, ROUND, 1);
      Atomics.store(words, USED, 0);
    },
  };
}
