import { bytesOf } from './blob-record.ts';
import { corrupt } from './corrupt.ts';
import { createScratchFile, readScratch } from './scratch.ts';
import type { ScratchFile } from './scratch.ts';

/** `count` records of `width` words each, and of every one a key. Keys are uniform: parts of hashes, or mixed from them. */
export interface KeyedRecords {
  readonly words: Uint32Array;
  readonly width: number;
  readonly count: number;
  readonly keys: Uint32Array;
}

/** Records in a scratch file, grouped by the top bits of their keys; within a group in the order in which they came. */
export interface Run {
  readonly file: ScratchFile;
  readonly width: number;
  readonly count: number;
  readonly groupBits: number;
  /** Place of each group's first record, and of the end. In shared memory, for other threads. */
  readonly starts: Uint32Array<SharedArrayBuffer>;
}

export interface RunWriter {
  /** Takes records whose groups come after those of the records before. */
  append(records: KeyedRecords): void;
  finish(): Run;
  /** Gives up what was written. */
  abandon(): void;
}

export interface RunOptions {
  readonly folder: string;
  readonly width: number;
  /** About how many records there will be. */
  readonly count: number;
  /** Of records that are the same (by their places in `words`) only the first is kept. */
  readonly isSame?: (words: Uint32Array, left: number, right: number) => boolean;
}

/** A search reads one group: of 48 byte records half a page, for 4 bytes of memory. */
const GROUP_RECORDS = 48;
/** Every run has at least 2^10 groups, so that all runs can be cut at the same keys. */
const GROUP_BITS_MIN = 10;
const GROUP_BITS_MAX = 26;
const STAGING_BYTES = 256 * 1024;
/** What is in memory when runs are read from end to end. */
const PART_BYTES = 4 * 1024 * 1024;
/** By the nature of hashes no part is much larger than the others; where one is, they are forged. */
const PART_EXCESS_MAX = 16;

export function groupOf(key: number, groupBits: number): number {
  return key >>> (32 - groupBits);
}

export function createRunWriter(options: RunOptions): RunWriter {
  const { width } = options;
  const wanted = Math.ceil(Math.log2(Math.max(1, options.count / GROUP_RECORDS)));
  const groupBits = Math.min(GROUP_BITS_MAX, Math.max(GROUP_BITS_MIN, wanted));
  const starts = new Uint32Array(new SharedArrayBuffer((2 ** groupBits + 1) * 4));
  const staging = new Uint32Array(Math.floor(STAGING_BYTES / 4 / width) * width);
  const file = createScratchFile(options.folder);
  return {
    append(records) {
      const groups = groupRecords(records, groupBits);
      const kept = options.isSame === undefined ? groups.order : dropRepeated(records, groups, options.isSame);
      for (const row of kept) {
        const end = groupOf(records.keys[row] ?? 0, groupBits) + 1;
        starts[end] = (starts[end] ?? 0) + 1;
      }
      writeRows({ file, staging }, records, kept);
    },
    finish() {
      for (let group = 1; group < starts.length; group++)
        starts[group] = (starts[group] ?? 0) + (starts[group - 1] ?? 0);
      return { file, width, count: starts.at(-1) ?? 0, groupBits, starts };
    },
    abandon: () => file.release(),
  };
}

interface Groups {
  /** Row numbers, group by group. */
  readonly order: Uint32Array;
  /** End of each group in `order`. */
  readonly ends: Uint32Array;
}

/** A counting sort over the groups that occur. */
function groupRecords({ keys, count }: KeyedRecords, groupBits: number): Groups {
  let first = 2 ** groupBits;
  let last = -1;
  for (let row = 0; row < count; row++) {
    const group = groupOf(keys[row] ?? 0, groupBits);
    if (group < first) first = group;
    if (group > last) last = group;
  }
  const sizes = new Uint32Array(Math.max(0, last - first + 1));
  for (let row = 0; row < count; row++) {
    const group = groupOf(keys[row] ?? 0, groupBits) - first;
    sizes[group] = (sizes[group] ?? 0) + 1;
  }
  // Where each group begins, and after its last row was placed, where it ends.
  const ends = new Uint32Array(sizes.length);
  for (let group = 1; group < ends.length; group++) ends[group] = (ends[group - 1] ?? 0) + (sizes[group - 1] ?? 0);
  const order = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    const group = groupOf(keys[row] ?? 0, groupBits) - first;
    const place = ends[group] ?? 0;
    order[place] = row;
    ends[group] = place + 1;
  }
  return { order, ends };
}

function dropRepeated(
  { words, width, keys }: KeyedRecords,
  { order, ends }: Groups,
  isSame: NonNullable<RunOptions['isSame']>,
): Uint32Array {
  let kept = 0;
  let next = 0;
  for (const end of ends) {
    const groupStart = kept;
    for (; next < end; next++) {
      const row = order[next] ?? 0;
      let other = groupStart;
      for (; other < kept; other++) {
        const seen = order[other] ?? 0;
        if (keys[seen] === keys[row] && isSame(words, seen * width, row * width)) break;
      }
      if (other === kept) order[kept++] = row;
    }
  }
  return order.subarray(0, kept);
}

interface Output {
  readonly file: ScratchFile;
  /** Room for whole records. */
  readonly staging: Uint32Array;
}

function writeRows({ file, staging }: Output, { words, width }: KeyedRecords, rows: Uint32Array): void {
  let filled = 0;
  for (const row of rows) {
    for (let word = row * width; word < (row + 1) * width; word++) staging[filled++] = words[word] ?? 0;
    if (filled === staging.length) {
      file.append(bytesOf(staging));
      filled = 0;
    }
  }
  file.append(bytesOf(staging, 0, filled));
}

/** Some records of all runs that were read together; the memory is used again for the next. */
export interface Part {
  readonly words: Uint32Array;
  readonly count: number;
}

/**
 * All records of these runs, in parts of ascending keys: what has the same key is in the same part, records of the first
 * run before those of the second.
 */
export function* readParts(runs: readonly Run[], partBytes = PART_BYTES): Generator<Part, void, void> {
  const width = runs[0]?.width ?? 1;
  const bytes = runs.reduce((sum, { count }) => sum + count * width * 4, 0);
  const bits = Math.min(GROUP_BITS_MIN, Math.max(0, Math.ceil(Math.log2(Math.max(1, bytes / partBytes)))));
  const bytesMax = PART_EXCESS_MAX * Math.max(partBytes, bytes / 2 ** bits);
  let memory = new Uint32Array(0);
  for (let part = 0; part < 2 ** bits; part++) {
    const slices = runs.map(({ file, starts, groupBits }) => {
      const start = starts[part << (groupBits - bits)] ?? 0;
      return { file, start, count: (starts[(part + 1) << (groupBits - bits)] ?? 0) - start };
    });
    const count = slices.reduce((sum, slice) => sum + slice.count, 0);
    if (count * width * 4 > bytesMax)
      throw corrupt('The index has names that are no hashes: they are not spread evenly');
    if (count * width > memory.length) memory = new Uint32Array(count * width);
    let filled = 0;
    for (const slice of slices) {
      readScratch(slice.file.descriptor, bytesOf(memory, filled, slice.count * width), {
        position: slice.start * width * 4,
        length: slice.count * width * 4,
      });
      filled += slice.count * width;
    }
    yield { words: memory.subarray(0, filled), count };
  }
}
