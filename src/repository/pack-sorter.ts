import { tmpdir } from 'node:os';
import { bytesOf, copyRecord, ID_WORDS, isSameId, LENGTH_WORD } from './blob-record.ts';
import { PACK_WORD, readRecord, RECORD_WORDS } from './blob-record.ts';
import type { IndexBatch } from './index-batch.ts';
import type { BlobEntry, PackEntry } from './pack.ts';
import { createRunWriter, readParts } from './record-runs.ts';
import type { KeyedRecords, Part, Run } from './record-runs.ts';

/**
 * Brings the packs of many index files into the order of their ids, whatever their number: in memory up to a bound, in
 * scratch files beyond it. What several index files list of one pack comes together.
 */
export interface PackSorter extends Disposable {
  add(batch: IndexBatch): void;
  /** All packs by ascending id, each with its blobs by ascending offset. After it, nothing is added. */
  packs(): Generator<PackEntry, void, void>;
}

export interface PackSorterOptions {
  readonly folder?: string;
  readonly blobsInMemoryMax?: number;
}

/** A blob's record, and the id of its pack in place of a number. */
const WIDTH = RECORD_WORDS + ID_WORDS;
const PACK_ID_WORD = RECORD_WORDS;
/** 20 MiB of records. */
const BLOBS_IN_MEMORY_MAX = 2 ** 18;

export function createPackSorter(options: PackSorterOptions = {}): PackSorter {
  const { folder = tmpdir(), blobsInMemoryMax = BLOBS_IN_MEMORY_MAX } = options;
  const words = new Uint32Array(blobsInMemoryMax * WIDTH);
  const runs: Run[] = [];
  let count = 0;

  const spill = (): void => {
    const writer = createRunWriter({ folder, width: WIDTH, count });
    try {
      writer.append(keyed(words, count));
      runs.push(writer.finish());
    } catch (error) {
      writer.abandon();
      throw error;
    }
    count = 0;
  };

  /** A place for one more record of this pack; the record's own words are 0. */
  const reserve = (packIds: Uint32Array, pack: number): number => {
    if (count === blobsInMemoryMax) spill();
    const at = count++ * WIDTH;
    words.fill(0, at, at + RECORD_WORDS);
    for (let word = 0; word < ID_WORDS; word++) words[at + PACK_ID_WORD + word] = packIds[pack * ID_WORDS + word] ?? 0;
    return at;
  };

  return {
    add({ packCount, packIds, blobCount, records }) {
      let row = 0;
      for (let pack = 0; pack < packCount; pack++) {
        const isOf = (): boolean => row < blobCount && records[row * RECORD_WORDS + PACK_WORD] === pack;
        // A pack without blobs is a pack too: its record has the length 0, which no blob has.
        if (!isOf()) reserve(packIds, pack);
        for (; isOf(); row++) copyRecord(records, row * RECORD_WORDS, words, reserve(packIds, pack));
      }
    },
    *packs() {
      if (runs.length > 0 && count > 0) spill();
      const parts = runs.length === 0 ? [{ words: words.subarray(0, count * WIDTH), count }] : readParts(runs);
      for (const part of parts) yield* packsOfPart(part);
    },
    [Symbol.dispose]() {
      for (const { file } of runs.splice(0)) file.release();
    },
  };
}

/** Keys in the order of the ids' bytes. */
function keyed(words: Uint32Array, count: number): KeyedRecords {
  const bytes = bytesOf(words);
  const keys = new Uint32Array(count);
  for (let row = 0; row < count; row++) keys[row] = bytes.readUInt32BE((row * WIDTH + PACK_ID_WORD) * 4);
  return { words, width: WIDTH, count, keys };
}

/** Rows of one pack that came together. */
interface Listing {
  readonly id: Buffer;
  readonly start: number;
  readonly end: number;
}

function* packsOfPart(part: Part): Generator<PackEntry, void, void> {
  let same: Listing[] = [];
  for (const listing of listingsOf(part)) {
    if (same[0] !== undefined && !same[0].id.equals(listing.id)) {
      yield joined(part, same);
      same = [];
    }
    same.push(listing);
  }
  if (same.length > 0) yield joined(part, same);
}

/** By ascending id. */
function listingsOf({ words, count }: Part): Listing[] {
  const listings: Listing[] = [];
  for (let start = 0, end = 0; start < count; start = end) {
    const at = start * WIDTH + PACK_ID_WORD;
    while (end < count && isSameId(words, at, words, end * WIDTH + PACK_ID_WORD)) end++;
    listings.push({ id: bytesOf(words, at, ID_WORDS), start, end });
  }
  return listings.sort((left, right) => left.id.compare(right.id));
}

function joined(part: Part, listings: readonly Listing[]): PackEntry {
  const blobs = listings.flatMap((listing) => entriesOf(part, listing));
  return { id: listings[0]?.id.toString('hex') ?? '', blobs: inPackOrder(blobs) };
}

function entriesOf({ words }: Part, { start, end }: Listing): BlobEntry[] {
  const blobs: BlobEntry[] = [];
  for (let row = start; row < end; row++) {
    if (words[row * WIDTH + LENGTH_WORD] !== 0) blobs.push(readRecord(words, row * WIDTH));
  }
  return blobs;
}

/** By ascending offset; what several index files say alike comes once. */
function inPackOrder(blobs: BlobEntry[]): BlobEntry[] {
  blobs.sort(compareEntries);
  return blobs.filter((blob, place) => {
    const before = blobs[place - 1];
    return before === undefined || compareEntries(before, blob) !== 0;
  });
}

/** By offset first; the other fields only bring what is equal together. */
function compareEntries(left: BlobEntry, right: BlobEntry): number {
  const difference =
    left.offset - right.offset ||
    left.length - right.length ||
    left.uncompressedLength - right.uncompressedLength ||
    Number(left.type === 'tree') - Number(right.type === 'tree');
  if (difference !== 0 || left.id === right.id) return difference;
  return left.id < right.id ? -1 : 1;
}
