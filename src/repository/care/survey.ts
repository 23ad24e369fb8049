import { SalvorError } from '#shared/errors';
import { createBlobReader } from '../blob-reader.ts';
import { createCatalog } from '../catalog.ts';
import type { Catalog } from '../catalog.ts';
import { options } from '../files.ts';
import type { Vault } from '../files.ts';
import { isId } from '../ids.ts';
import type { Marks } from '../index-file.ts';
import { packBytes, packKey } from '../pack.ts';
import type { PackEntry } from '../pack.ts';
import { loadSnapshots } from '../snapshot.ts';
import type { BlobSource, BlobType, SnapshotId } from '../types.ts';
import { listIndexFiles, readIndexFiles } from './index-files.ts';
import type { IndexFile } from './index-files.ts';
import { addNeeded, noBlobs } from './needed-blobs.ts';
import type { NeededBlobs } from './needed-blobs.ts';
import type { PackUse } from './prune-plan.ts';

/** Packs that an error names: enough to look at. */
const PACKS_NAMED_MAX = 3;

/** Everything a prune must know, gathered while a lock keeps other prunes away. */
export interface Survey extends AsyncDisposable {
  /** Index files that were read: the ones that may be replaced. */
  readonly indexFiles: readonly IndexFileSize[];
  readonly snapshots: ReadonlySet<SnapshotId>;
  readonly needed: NeededBlobs;
  readonly packs: readonly PackUse[];
  /** Packs that an index lists and the store does not have, or not whole; nothing needs them. */
  readonly gone: ReadonlySet<string>;
  /** Packs that no index lists. */
  readonly orphans: readonly StoredPack[];
  readonly marked: readonly MarkFile[];
  readonly catalog: Catalog;
  readonly source: BlobSource;
}

export interface IndexFileSize {
  readonly id: string;
  readonly blobs: number;
  readonly hasMarks: boolean;
}

export interface StoredPack {
  readonly id: string;
  readonly bytes: number;
}

/** An index file's marks, those that count: the pack is in the store, and no file lists it unmarked. */
export interface MarkFile {
  readonly file: string;
  readonly packs: readonly PackEntry[];
  readonly writers: Marks['writers'];
}

export interface SurveyRequest {
  /** Packs that were indexed later than this, by the store's clock, count as new. */
  readonly newSinceMs: number;
  readonly onSnapshots?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads snapshots, indexes, trees, and lists packs, in this order, the reverse of that of writing: what a snapshot needs
 * is indexed before it, and stored before that. So nothing that is judged here looks missing because it is new; what
 * looks superfluous because it is new is a matter of locks (prune.ts).
 */
export async function survey(vault: Vault, { signal, onSnapshots, newSinceMs }: SurveyRequest): Promise<Survey> {
  const snapshots = await loadSnapshots(vault, signal);
  const files = await listIndexFiles(vault, signal);
  await using stack = new AsyncDisposableStack();
  const catalog = stack.use(createCatalog(vault));
  await catalog.refresh(signal);
  const source = createBlobReader(vault, catalog);
  const needed = noBlobs();
  await addNeeded(needed, snapshots, {
    catalog,
    source,
    signal,
    onSnapshot: (done) => onSnapshots?.(done, snapshots.length),
  });
  const stored = await listPacks(vault, signal);
  const places = await assignBlobs({ vault, files, needed, stored, newSinceMs, signal });
  const kept = stack.move();
  return {
    ...places,
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
    needed,
    catalog,
    source,
    snapshots: new Set(snapshots.map(({ id }) => id)),
    orphans: [...stored].filter(([id]) => !places.listed.has(id)).map(([id, bytes]) => ({ id, bytes })),
  };
}

async function listPacks(vault: Vault, signal: AbortSignal | undefined): Promise<Map<string, number>> {
  const packs = new Map<string, number>();
  for await (const { key, size } of vault.store.list('data/', options(signal))) {
    const id = key.slice(key.lastIndexOf('/') + 1);
    if (isId(id) && key === packKey(id)) packs.set(id, size);
  }
  return packs;
}

interface Assignment {
  readonly vault: Vault;
  readonly files: ReadonlyMap<string, number | undefined>;
  readonly needed: NeededBlobs;
  readonly stored: ReadonlyMap<string, number>;
  readonly newSinceMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Places {
  readonly indexFiles: readonly IndexFileSize[];
  readonly packs: readonly PackUse[];
  readonly gone: ReadonlySet<string>;
  readonly marked: readonly MarkFile[];
  readonly listed: ReadonlySet<string>;
}

/**
 * Gives each needed blob one pack that is to keep it: the first that lists it, in the order of files, marked packs last.
 * `repack.ts` goes the same way and comes to the same packs.
 */
async function assignBlobs({ vault, files, needed, stored, newSinceMs, signal }: Assignment): Promise<Places> {
  const indexFiles: IndexFileSize[] = [];
  const packs: PackUse[] = [];
  const gone = new Set<string>();
  const live = new Set<string>();
  const marked: MarkFile[] = [];
  for await (const file of readIndexFiles(vault, files.keys(), signal)) {
    indexFiles.push(sizeOf(file));
    if (file.marks !== undefined) marked.push(marksOf(file, file.marks));
    const isNew = (files.get(file.id) ?? 0) > newSinceMs;
    for (const pack of file.live) {
      if (live.has(pack.id)) continue;
      live.add(pack.id);
      if (isThere(pack, stored)) packs.push(usePack(pack, needed, { isMarked: false, isNew, stored }));
      else gone.add(pack.id);
    }
  }
  const listed = new Set(live);
  const counting: MarkFile[] = [];
  for (const mark of marked) {
    // What a prune that was killed had deleted already must not be marked, and so listed, again.
    const own = mark.packs.filter((pack) => !listed.has(pack.id) && isThere(pack, stored));
    for (const pack of own) {
      listed.add(pack.id);
      packs.push(usePack(pack, needed, { isMarked: true, isNew: false, stored }));
    }
    counting.push({ ...mark, packs: own });
  }
  refuseLost(needed, gone);
  return { indexFiles, packs, gone, marked: counting, listed };
}

/** A pack of another size than its blobs have is not what the index says: nothing in it counts. */
function isThere(pack: PackEntry, stored: ReadonlyMap<string, number>): boolean {
  const bytes = stored.get(pack.id);
  return bytes !== undefined && (pack.blobs.length === 0 || bytes === packBytes(pack.blobs));
}

function sizeOf(file: IndexFile): IndexFileSize {
  return {
    id: file.id,
    blobs: file.live.reduce((sum, { blobs }) => sum + blobs.length, 0),
    hasMarks: file.marks !== undefined,
  };
}

/** We write files of marks only. Of a mixed one, another program's, it is not known who was at work. */
function marksOf(file: IndexFile, marks: Marks): MarkFile {
  return { file: file.id, packs: marks.packs, writers: file.live.length > 0 ? undefined : marks.writers };
}

interface PackState {
  readonly isMarked: boolean;
  readonly isNew: boolean;
  readonly stored: ReadonlyMap<string, number>;
}

function usePack(pack: PackEntry, needed: NeededBlobs, { isMarked, isNew, stored }: PackState): PackUse {
  let [usedBytes, usedBlobs] = [0, 0];
  const types = new Set<BlobType>();
  for (const blob of pack.blobs) {
    types.add(blob.type);
    if (!needed[blob.type].take(blob.id)) continue;
    usedBytes += blob.length;
    usedBlobs++;
  }
  return {
    id: pack.id,
    holds: types.size > 1 ? 'both' : types.has('tree') ? 'trees' : 'data',
    bytes: stored.get(pack.id) ?? 0,
    usedBytes,
    usedBlobs,
    unusedBlobs: pack.blobs.length - usedBlobs,
    isMarked,
    isNew,
  };
}

function refuseLost(needed: NeededBlobs, gone: ReadonlySet<string>): void {
  const lost = needed.data.size + needed.tree.size;
  if (lost === 0) return;
  const packs = [...gone].slice(0, PACKS_NAMED_MAX).join(', ');
  throw new SalvorError(
    `${lost} blobs that snapshots need are in packs that are missing or have the wrong size: ${packs}`,
    {
      code: 'RepositoryCorrupt',
      hint: 'Nothing was deleted. `salvor verify` names the files that are hit. Run a backup, which stores again what it still finds; then prune again.',
    },
  );
}
