import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createBlobLookup } from './blob-lookup.ts';
import type { BlobLookup, IndexView, RunView } from './blob-lookup.ts';
import { bytesOf, hashId, ID_WORDS, isSameBlob, OFFSET_WORD } from './blob-record.ts';
import { RECORD_WORDS, TREE_BIT } from './blob-record.ts';
import { createBlobTable, noTable } from './blob-table.ts';
import { corrupt } from './corrupt.ts';
import { toBatch } from './index-batch.ts';
import type { IndexBatch } from './index-batch.ts';
import type { PackEntry } from './pack.ts';
import { createPackIds } from './pack-ids.ts';
import { createRunWriter, readParts } from './record-runs.ts';
import type { KeyedRecords, Run } from './record-runs.ts';

export type { BlobPlace } from './blob-lookup.ts';

/**
 * The blobs of a repository, however many: up to a bound in memory, in scratch files beyond it. The newest are in a table;
 * when it is full they become a run in a file. Runs that were not merged yet may hold a blob twice, and each costs a
 * lookup one read; `settle` makes one run of all.
 */
export interface BlobIndex extends BlobLookup, AsyncDisposable {
  /** Number of blobs; before `settle`, some may count twice. */
  readonly size: number;
  /** True when so many runs wait for `settle` that lookups get slow. */
  readonly isFragmented: boolean;
  /** Adds packs and their blobs; of a blob that is in several packs one place is kept. */
  add(batch: IndexBatch): void;
  addPack(pack: PackEntry): void;
  /** Merges what was written to files, or gives up when the index is disposed. Lookups and additions go on meanwhile. */
  settle(signal?: AbortSignal): Promise<void>;
  /** What is known now, for other threads. */
  share(): SharedIndex;
}

/** A view, and the promise that what it needs stays open until this is disposed. */
export interface SharedIndex extends Disposable {
  readonly view: IndexView;
}

export interface BlobIndexOptions {
  /** Where scratch files are made, if any are needed. */
  readonly folder?: string;
  /** Secret of this index, 32 bits: what would slow it down cannot be computed in advance. */
  readonly seed?: number;
  readonly blobsInMemoryMax?: number;
  readonly packsInMemoryMax?: number;
}

/** 48 MiB of records and 8 MiB of slots: what 1 TiB of data has in blobs of 1 MiB. */
const BLOBS_IN_MEMORY_MAX = 2 ** 20;
/** 4 MiB of ids: 2 TiB in packs of 16 MiB. */
const PACKS_IN_MEMORY_MAX = 2 ** 17;
/** Places in a run have 32 bits; 2^31 blobs take 96 GiB. */
const BLOBS_MAX = 2 ** 31;
const UNSETTLED_RUNS_MAX = 8;

export function createBlobIndex(options: BlobIndexOptions = {}): BlobIndex {
  const { folder = tmpdir(), seed = randomInt(2 ** 32) } = options;
  const { blobsInMemoryMax = BLOBS_IN_MEMORY_MAX, packsInMemoryMax = PACKS_IN_MEMORY_MAX } = options;
  const packIds = createPackIds({ folder, recentMax: packsInMemoryMax });
  const closing = new AbortController();
  let table = createBlobTable(blobsInMemoryMax, seed);
  let isTableShared = false;
  let settled: Run | undefined;
  let unsettled: readonly Run[] = [];
  let settling: Promise<unknown> = Promise.resolve();
  /** Of the state above; undefined after it changed. */
  let view: IndexView | undefined;

  const runs = (): Run[] => [...(settled === undefined ? [] : [settled]), ...unsettled];
  const size = (): number => runs().reduce((sum, { count }) => sum + count, table.count);
  const currentView = (): IndexView =>
    (view ??= { seed, table: table.view(), runs: runs().reverse().map(viewOf), packIds: packIds.view });
  const settledOnly = createBlobLookup(() => ({
    seed,
    table: noTable,
    runs: settled === undefined ? [] : [viewOf(settled)],
    packIds: packIds.view,
  }));

  const isSettled = (records: Uint32Array, at: number): boolean => {
    if (settled === undefined) return false;
    const type = ((records[at + OFFSET_WORD] ?? 0) & TREE_BIT) === 0 ? 'data' : 'tree';
    return settledOnly.hasBytes(type, bytesOf(records, at, ID_WORDS));
  };

  const spill = (): void => {
    unsettled = [...unsettled, writeRun(folder, keyed(table.records, table.count, seed))];
    // Others may be looking into this memory; otherwise it serves again.
    if (isTableShared) table = createBlobTable(blobsInMemoryMax, seed);
    else table.clear();
    isTableShared = false;
    view = undefined;
  };

  const append = (records: Uint32Array, firstPack: number): void => {
    for (let rest = records; rest.length > 0;) {
      rest = rest.subarray(table.append(rest, firstPack) * RECORD_WORDS);
      if (rest.length > 0) spill();
    }
  };

  const merge = async (signal: AbortSignal): Promise<void> => {
    if (unsettled.length === 0) {
      currentView();
      return;
    }
    if (table.count > 0) spill();
    const old = runs();
    settled = await mergeRuns(folder, old, { seed, signal });
    unsettled = unsettled.filter((run) => !old.includes(run));
    view = undefined;
    for (const { file } of old) file.release();
  };

  const add = ({ packCount, packIds: ids, blobCount, records }: IndexBatch): void => {
    if (size() + blobCount > BLOBS_MAX) throw corrupt(`The repository has more than ${BLOBS_MAX} blobs`);
    view = undefined;
    const firstPack = packIds.count;
    for (let pack = 0; pack < packCount; pack++) packIds.add(ids, pack * ID_WORDS);
    if (settled === undefined) {
      append(records, firstPack);
      return;
    }
    for (let at = 0; at < blobCount * RECORD_WORDS; at += RECORD_WORDS) {
      if (!isSettled(records, at)) append(records.subarray(at, at + RECORD_WORDS), firstPack);
    }
  };

  return {
    ...createBlobLookup(currentView),
    get size() {
      return size();
    },
    get isFragmented() {
      return unsettled.length >= UNSETTLED_RUNS_MAX;
    },
    add,
    addPack: (pack) => add(toBatch([pack])),
    async settle(signal) {
      const both = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      const turn = settling.then(async () => merge(both));
      settling = turn.catch(() => undefined);
      await turn.catch((error: unknown) => {
        if (!closing.signal.aborted) throw error;
      });
    },
    share() {
      const files = [...runs().map(({ file }) => file), ...(packIds.file === undefined ? [] : [packIds.file])];
      for (const file of files) file.hold();
      isTableShared = true;
      return {
        view: currentView(),
        [Symbol.dispose]() {
          for (const file of files.splice(0)) file.release();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await settling;
      for (const { file } of runs()) file.release();
      settled = undefined;
      unsettled = [];
      packIds[Symbol.dispose]();
    },
  };
}

function viewOf({ file, groupBits, starts }: Run): RunView {
  return { descriptor: file.descriptor, groupBits, starts };
}

function keyed(words: Uint32Array, count: number, seed: number): KeyedRecords {
  const keys = new Uint32Array(count);
  for (let row = 0; row < count; row++) keys[row] = hashId(words, row * RECORD_WORDS, seed);
  return { words, width: RECORD_WORDS, count, keys };
}

function writeRun(folder: string, records: KeyedRecords): Run {
  const writer = createRunWriter({ folder, width: RECORD_WORDS, count: records.count });
  try {
    writer.append(records);
    return writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** One run of all, without repetitions; of a blob's places the oldest is kept. */
async function mergeRuns(
  folder: string,
  runs: readonly Run[],
  { seed, signal }: { readonly seed: number; readonly signal: AbortSignal },
): Promise<Run> {
  const writer = createRunWriter({
    folder,
    width: RECORD_WORDS,
    count: runs.reduce((sum, { count }) => sum + count, 0),
    isSame: (words, left, right) => isSameBlob(words, left, words, right),
  });
  try {
    for (const { words, count } of readParts(runs)) {
      signal.throwIfAborted();
      writer.append(keyed(words, count, seed));
      // Locks are refreshed and signals heard while gigabytes are merged.
      await nextTurn();
    }
    return writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}
