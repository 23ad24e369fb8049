import { copyRecord, hashId, isSameBlob, PACK_WORD, RECORD_BYTES, RECORD_WORDS } from './blob-record.ts';

/** A table as it is at this moment: what its owner adds later is not in the view, though it is in the same memory. */
export interface TableView {
  readonly count: number;
  readonly records: Uint32Array<SharedArrayBuffer>;
  /** Open addressing with linear probing, at most half full: row number + 1, or 0 for a free slot. */
  readonly slots: Uint32Array<SharedArrayBuffer>;
}

/** Blobs in shared memory, up to a fixed number: 48 bytes each, and 8 to 16 for the slots. */
export interface BlobTable {
  /** Rows in use. Before the next `view`, a blob may have several. */
  readonly count: number;
  /** The memory of the rows: another one when it has grown. */
  readonly records: Uint32Array<SharedArrayBuffer>;
  /** Adds as many of these records as there is room for, and answers how many. Their packs count from `firstPack`. */
  append(records: Uint32Array, firstPack: number): number;
  /** Puts what was added since into the slots; of a blob that came twice the first record is kept. */
  view(): TableView;
  /** Forgets all, to take other blobs in the same memory. Nobody may have a view any more. */
  clear(): void;
}

const SLOTS_FIRST = 1024;
/** Memory for so many rows at first, and then times as much whenever it is full: most repositories are small. */
const ROWS_FIRST = 1024;
const GROWTH = 4;

export function createBlobTable(capacity: number, seed: number): BlobTable {
  let records = createRecords(Math.min(capacity, ROWS_FIRST));
  let slots = createSlots(SLOTS_FIRST);
  /** Rows that are in the slots, and all rows. */
  let placed = 0;
  let count = 0;

  /** What was given to others stays as it is. */
  const reserve = (rows: number): void => {
    const room = records.length / RECORD_WORDS;
    if (rows <= room) return;
    const larger = createRecords(Math.min(capacity, Math.max(rows, room * GROWTH)));
    larger.set(records.subarray(0, count * RECORD_WORDS));
    records = larger;
  };

  const placeAll = (): void => {
    let first = placed;
    if (count * 2 > slots.length) {
      slots = createSlots(2 ** Math.ceil(Math.log2(count * 2)));
      first = 0;
    }
    placed = place({ records, slots, seed, first, count });
    count = placed;
  };

  return {
    get records() {
      return records;
    },
    get count() {
      return count;
    },
    append(added, firstPack) {
      const rows = Math.min(added.length / RECORD_WORDS, capacity - count);
      reserve(count + rows);
      const start = count * RECORD_WORDS;
      const end = start + rows * RECORD_WORDS;
      records.set(rows * RECORD_WORDS === added.length ? added : added.subarray(0, rows * RECORD_WORDS), start);
      for (let at = start + PACK_WORD; at < end; at += RECORD_WORDS) records[at] = (records[at] ?? 0) + firstPack;
      count += rows;
      return rows;
    },
    view() {
      if (placed < count) placeAll();
      return { count, records, slots };
    },
    clear() {
      placed = 0;
      count = 0;
      slots.fill(0);
    },
  };
}

interface Placing extends TableView {
  readonly seed: number;
  /** The first row that is not in the slots. */
  readonly first: number;
}

/** Puts rows into the slots, closing ranks where one is repeated; answers how many rows are left. */
function place({ records, slots, seed, first, count }: Placing): number {
  let kept = first;
  for (let row = first; row < count; row++) {
    const at = row * RECORD_WORDS;
    const slot = findSlot({ count: kept, records, slots }, { words: records, hash: hashId(records, at, seed), at });
    if (slots[slot] !== 0) continue;
    if (kept < row) copyRecord(records, at, records, kept * RECORD_WORDS);
    kept++;
    slots[slot] = kept;
  }
  return kept;
}

/** A blob that is looked for. */
export interface Wanted {
  /** A record of which id and type count, from the word `at`. */
  readonly words: Uint32Array;
  readonly at: number;
  readonly hash: number;
}

/** The word where the blob's record begins, or -1. */
export function findInTable(view: TableView, wanted: Wanted): number {
  const row = (view.slots[findSlot(view, wanted)] ?? 0) - 1;
  return row < 0 ? -1 : row * RECORD_WORDS;
}

/** The slot of this blob, or the free one where it belongs. Rows that the view does not have are passed over. */
function findSlot({ count, records, slots }: TableView, { words, at, hash }: Wanted): number {
  const mask = slots.length - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const row = (slots[slot] ?? 0) - 1;
    if (row < 0) return slot;
    if (row < count && isSameBlob(words, at, records, row * RECORD_WORDS)) return slot;
  }
}

function createRecords(rows: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(rows * RECORD_BYTES));
}

function createSlots(count: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(count * 4));
}

/** A table that has nothing. */
export const noTable: TableView = {
  count: 0,
  records: new Uint32Array(new SharedArrayBuffer(0)),
  slots: createSlots(1),
};
