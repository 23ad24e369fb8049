import { copyRecord, hashId, isSameBlob, PACK_WORD, RECORD_BYTES, RECORD_WORDS } from './blob-record.ts';

/** A table as it is at this moment: what its owner adds later is not in the view, though it is in the same memory. */
export interface TableView {
  readonly count: number;
  readonly records: Uint32Array<SharedArrayBuffer>;
  /** Open addressing with linear probing, at most half full: row number + 1, or 0 for a free slot. */
  readonly slots: Int32Array<SharedArrayBuffer>;
}

/** Blobs in shared memory, up to a fixed number: 48 bytes each and a table of 8 to 16. */
export interface BlobTable {
  readonly count: number;
  readonly isFull: boolean;
  readonly view: TableView;
  /** Adds the record at this word as lying in this pack, unless its blob is there. */
  add(words: Uint32Array, at: number, pack: number): void;
}

const SLOTS_FIRST = 2048;

export function createBlobTable(capacity: number, seed: number): BlobTable {
  // Reserved, not taken: a page of it costs memory when it is first written.
  const records = new Uint32Array(new SharedArrayBuffer(capacity * RECORD_BYTES));
  let slots = createSlots(SLOTS_FIRST);
  let count = 0;

  const grow = (): void => {
    const larger = createSlots(slots.length * 2);
    for (let row = 0; row < count; row++) {
      let slot = hashId(records, row * RECORD_WORDS, seed) & (larger.length - 1);
      while (larger[slot] !== 0) slot = (slot + 1) & (larger.length - 1);
      larger[slot] = row + 1;
    }
    slots = larger;
  };

  return {
    get count() {
      return count;
    },
    get isFull() {
      return count === capacity;
    },
    get view() {
      return { count, records, slots };
    },
    add(words, at, pack) {
      if (count * 2 >= slots.length) grow();
      const slot = findSlot({ count, records, slots }, { words, at, hash: hashId(words, at, seed) });
      if (slots[slot] !== 0) return;
      copyRecord(words, at, records, count * RECORD_WORDS);
      records[count * RECORD_WORDS + PACK_WORD] = pack;
      count++;
      slots[slot] = count;
    },
  };
}

/** A blob that is looked for. */
export interface Wanted {
  /** A record of which the id and the type count. */
  readonly words: Uint32Array;
  readonly at: number;
  readonly hash: number;
}

/** The word where the blob's record begins, or -1. */
export function findInTable(view: TableView, wanted: Wanted): number {
  const row = (view.slots[findSlot(view, wanted)] ?? 0) - 1;
  return row < 0 || row >= view.count ? -1 : row * RECORD_WORDS;
}

/** The slot of this blob, or the free one where it belongs. */
function findSlot({ count, records, slots }: TableView, { words, at, hash }: Wanted): number {
  const mask = slots.length - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const row = (slots[slot] ?? 0) - 1;
    if (row < 0) return slot;
    if (row < count && isSameBlob(words, at, records, row * RECORD_WORDS)) return slot;
  }
}

function createSlots(count: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}
