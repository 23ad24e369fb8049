import { mapLimit } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { createBlobIndex } from './blob-index.ts';
import type { BlobIndex, BlobPlace } from './blob-index.ts';
import { listFiles, loadFile } from './files.ts';
import type { Vault } from './files.ts';
import { decodeIndex } from './index-file.ts';
import type { PackEntry } from './pack.ts';
import type { BlobId, BlobType } from './types.ts';

/** Index files read at a time: each has up to 8 MiB of JSON. */
const READS_MAX = 4;

/** A prune replaces index files while they are read; it does so once, not again and again. */
const ATTEMPTS_MAX = 3;

/** The blobs known to be in the store, kept in step with the index files there. */
export interface Catalog {
  find(type: BlobType, id: BlobId): BlobPlace | undefined;
  has(type: BlobType, id: BlobId): boolean;
  /** A pack of ours that is in the store, but in no index file yet. */
  addUploaded(pack: PackEntry): void;
  /** Those packs are now listed by this index file. */
  setIndexed(packs: readonly PackEntry[], fileId: string): void;
  /** Reads new index files; if known ones are gone (a prune), forgets what only they listed. */
  refresh(signal?: AbortSignal): Promise<void>;
}

export function createCatalog(vault: Vault): Catalog {
  let index = createBlobIndex();
  const files = new Set<string>();
  const unindexed = new Set<PackEntry>();

  const load = async (into: BlobIndex, ids: readonly string[], signal: AbortSignal | undefined): Promise<void> => {
    await mapLimit(
      ids,
      READS_MAX,
      async (id, both) => {
        const what = `The file index/${id}`;
        for (const pack of decodeIndex(await loadFile(vault, 'index', id, both), what)) into.addPack(pack);
      },
      signal,
    );
  };

  const refreshOnce = async (signal: AbortSignal | undefined): Promise<void> => {
    // What we write while this runs is not in the listing and must not count as gone.
    const before = new Set(files);
    const listed = new Set((await listFiles(vault, 'index', signal)).map((file) => file.key));
    if (before.isSubsetOf(listed)) {
      const fresh = [...listed.difference(files)];
      await load(index, fresh, signal);
      for (const id of fresh) files.add(id);
      return;
    }
    const rebuilt = createBlobIndex();
    const loaded = new Set<string>();
    const missing = (): Set<string> => listed.union(files.difference(before)).difference(loaded);
    for (let ids = missing(); ids.size > 0; ids = missing()) {
      await load(rebuilt, [...ids], signal);
      for (const id of ids) loaded.add(id);
    }
    for (const pack of unindexed) rebuilt.addPack(pack);
    for (const id of before.difference(listed)) files.delete(id);
    for (const id of loaded) files.add(id);
    index = rebuilt;
  };

  return {
    find: (type, id) => index.find(type, id),
    has: (type, id) => index.has(type, id),
    addUploaded(pack) {
      unindexed.add(pack);
      index.addPack(pack);
    },
    setIndexed(packs, id) {
      files.add(id);
      for (const pack of packs) unindexed.delete(pack);
    },
    async refresh(signal) {
      for (let attempt = 1; ; attempt++) {
        try {
          await refreshOnce(signal);
          return;
        } catch (error) {
          const replaced = error instanceof SalvorError && error.code === 'StoreObjectMissing';
          if (!replaced || attempt >= ATTEMPTS_MAX) throw error;
        }
      }
    },
  };
}
