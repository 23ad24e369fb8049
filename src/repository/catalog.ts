import { mapLimit } from '#shared/async';
import { isAbort, SalvorError } from '#shared/errors';
import { createBlobIndex } from './blob-index.ts';
import type { BlobIndex, SharedIndex } from './blob-index.ts';
import type { BlobLookup } from './blob-lookup.ts';
import { listFiles } from './files.ts';
import type { Vault } from './files.ts';
import { toBatch } from './index-batch.ts';
import { loadIndexFile } from './index-file.ts';
import type { LoadedIndex } from './index-file.ts';
import type { PackEntry } from './pack.ts';
import { createPackSorter } from './pack-sorter.ts';
import type { PackSorter } from './pack-sorter.ts';

/** Index files read at a time: each has up to 8 MiB of JSON, and takes 25 MB meanwhile. */
const READS_MAX = 2;

/** A prune replaces index files while they are read; it does so once, not again and again. */
const ATTEMPTS_MAX = 3;

/**
 * The blobs known to be in the store, kept in step with the index files there. They are read when they are first needed:
 * lookups throw until `load`, or `refresh`, has ended. `has` tells whether a blob can be relied on: it is in a pack that
 * is not marked for deletion. `find` tells where it can be read, also in a marked one.
 */
export interface Catalog extends BlobLookup, AsyncDisposable {
  /** Reads the index files, unless that was done. */
  load(signal?: AbortSignal): Promise<void>;
  /** Reads new index files; if known ones are gone (a prune), forgets what only they listed. */
  refresh(signal?: AbortSignal): Promise<void>;
  /** A pack of ours that is in the store, but in no index file yet. It can be looked up at once; what takes time is its room. */
  addUploaded(pack: PackEntry, signal?: AbortSignal): Promise<void>;
  /** Those packs are now listed by this index file. */
  setIndexed(packs: readonly PackEntry[], fileId: string): void;
  /** What can be relied on now, to be looked up in other threads. */
  share(): SharedIndex;
  /**
   * All packs that index files list or mark, by ascending id, each with all its blobs in the order of the pack. Reads the index
   * files anew, so that blobs which lie in several packs are found in each. Memory is bounded, whatever their number.
   */
  packs(signal?: AbortSignal): AsyncIterable<PackEntry>;
}

/** A pack is marked only if every file that lists it marks it: a file that does not is newer, or its marking was not finished. */
interface Indexes extends AsyncDisposable {
  readonly live: BlobIndex;
  /** Seldom is anything marked: until then there is none. */
  readonly marked: BlobIndex | undefined;
  addMarked(packs: readonly PackEntry[]): void;
}

export interface CatalogOptions {
  /** Where the index goes that does not fit into memory. */
  readonly scratchFolder?: string;
}

export function createCatalog(vault: Vault, { scratchFolder }: CatalogOptions = {}): Catalog {
  const place = scratchFolder === undefined ? {} : { folder: scratchFolder };
  let indexes: Indexes | undefined;
  let loading: Promise<void> | undefined;
  const files = new Set<string>();
  const unindexed = new Set<PackEntry>();

  const loaded = (): Indexes => {
    if (indexes !== undefined) return indexes;
    throw new SalvorError('The index was asked before it was loaded', { code: 'Internal' });
  };

  const readInto = async (into: Indexes, ids: readonly string[], signal: AbortSignal | undefined): Promise<void> => {
    const add = (file: LoadedIndex): void => {
      into.live.add(file);
      if (file.marks !== undefined) into.addMarked(file.marks.packs);
    };
    await readIndexFiles(vault, ids, { add, signal });
    await into.live.settle(signal);
    await into.marked?.settle(signal);
  };

  const listIds = async (signal: AbortSignal | undefined): Promise<Set<string>> =>
    new Set((await listFiles(vault, 'index', signal)).map((file) => file.key));

  /** Reads everything anew, and what appears meanwhile. */
  const rebuild = async (
    before: ReadonlySet<string>,
    listed: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const rebuilt = createIndexes(place);
    try {
      const read = new Set<string>();
      const missing = (): Set<string> => listed.union(files.difference(before)).difference(read);
      for (let ids = missing(); ids.size > 0; ids = missing()) {
        await readInto(rebuilt, [...ids], signal);
        for (const id of ids) read.add(id);
      }
      for (const pack of unindexed) rebuilt.live.addPack(pack);
      for (const id of before.difference(listed)) files.delete(id);
      for (const id of read) files.add(id);
    } catch (error) {
      await rebuilt[Symbol.asyncDispose]();
      throw error;
    }
    const old = indexes;
    indexes = rebuilt;
    await old?.[Symbol.asyncDispose]();
  };

  const refreshOnce = async (signal: AbortSignal | undefined): Promise<void> => {
    // What we write while this runs is not in the listing and must not count as gone.
    const before = new Set(files);
    const listed = await listIds(signal);
    if (indexes === undefined || !before.isSubsetOf(listed)) {
      await rebuild(before, listed, signal);
      return;
    }
    const fresh = [...listed.difference(files)];
    await readInto(indexes, fresh, signal);
    for (const id of fresh) files.add(id);
  };

  const refresh = async (signal: AbortSignal | undefined): Promise<void> =>
    whileReplaced(async () => refreshOnce(signal));

  const load = async (signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    if (indexes !== undefined) return;
    if (loading === undefined) {
      loading = refresh(signal).finally(() => (loading = undefined));
      await loading;
      return;
    }
    // Whoever began may have been cancelled: that is not our end.
    await loading.catch((error: unknown) => {
      if (!isAbort(error)) throw error;
    });
    await load(signal);
  };

  return {
    load,
    refresh,
    has: (type, id) => loaded().live.has(type, id),
    find: (type, id) => loaded().live.find(type, id) ?? loaded().marked?.find(type, id),
    hasBytes: (type, id) => loaded().live.hasBytes(type, id),
    findBytes: (type, id) => loaded().live.findBytes(type, id) ?? loaded().marked?.findBytes(type, id),
    async addUploaded(pack, signal) {
      const into = loaded().live;
      unindexed.add(pack);
      into.addPack(pack);
      if (into.isFragmented) await into.settle(signal);
    },
    setIndexed(packs, id) {
      files.add(id);
      for (const pack of packs) unindexed.delete(pack);
    },
    share: () => loaded().live.share(),
    async *packs(signal) {
      using sorter = await whileReplaced(async () => sortPacks(vault, place, signal));
      yield* sorter.packs();
    },
    async [Symbol.asyncDispose]() {
      await indexes?.[Symbol.asyncDispose]();
    },
  };
}

function createIndexes(place: { readonly folder?: string }): Indexes {
  const live = createBlobIndex(place);
  let marked: BlobIndex | undefined;
  return {
    live,
    get marked() {
      return marked;
    },
    addMarked(packs) {
      marked ??= createBlobIndex(place);
      marked.add(toBatch(packs));
    },
    async [Symbol.asyncDispose]() {
      await live[Symbol.asyncDispose]();
      await marked?.[Symbol.asyncDispose]();
    },
  };
}

interface Reading {
  /** Keeps nothing of the file but its marks. */
  readonly add: (file: LoadedIndex) => void;
  readonly signal: AbortSignal | undefined;
}

async function readIndexFiles(vault: Vault, ids: readonly string[], { add, signal }: Reading): Promise<void> {
  const readOne = async (id: string, both: AbortSignal): Promise<void> => {
    using file = await loadIndexFile(vault, id, both);
    add(file);
  };
  await mapLimit(ids, READS_MAX, readOne, signal);
}

/** Does the work again if a file it was about to read was replaced. */
async function whileReplaced<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const replaced = error instanceof SalvorError && error.code === 'StoreObjectMissing';
      if (!replaced || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

async function sortPacks(
  vault: Vault,
  place: { readonly folder?: string },
  signal: AbortSignal | undefined,
): Promise<PackSorter> {
  const sorter = createPackSorter(place);
  try {
    const ids = (await listFiles(vault, 'index', signal)).map((file) => file.key);
    const add = (file: LoadedIndex): void => {
      sorter.add(file);
      if (file.marks !== undefined) sorter.add(toBatch(file.marks.packs));
    };
    await readIndexFiles(vault, ids, { add, signal });
    return sorter;
  } catch (error) {
    sorter[Symbol.dispose]();
    throw error;
  }
}
