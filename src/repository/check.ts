import { hash } from 'node:crypto';
import { mapLimit } from '#shared/async';
import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { Store } from '#stores/store';
import { createBlobIndex } from './blob-index.ts';
import type { BlobIndex } from './blob-index.ts';
import { createBlobReader, isDamage } from './blob-reader.ts';
import { createIdSet } from './care/id-set.ts';
import { findHits } from './check-hits.ts';
import type { HitSnapshot } from './check-hits.ts';
import { findSuspects } from './check-suspects.ts';
import { oneLine } from './corrupt.ts';
import { listFiles, loadFile, options } from './files.ts';
import type { Vault } from './files.ts';
import { fileId, isId, toSnapshotId } from './ids.ts';
import { decodeIndex, decodeMarks } from './index-file.ts';
import { PACK_BYTES_MAX } from './limits.ts';
import { encodeHeader, openBlob, packBytes, packKey, readHeader } from './pack.ts';
import type { PackEntry } from './pack.ts';
import { choosePacks } from './read-subset.ts';
import type { ReadSubset } from './read-subset.ts';
import { unlock } from './repository.ts';
import type { AccessOptions } from './repository.ts';
import { decodeSnapshot } from './snapshot.ts';
import type { BlobId, BlobSource, Snapshot, TreeNode } from './types.ts';

export interface CheckOptions extends AccessOptions {
  /** Reads packs and verifies every blob in them: all, or some; otherwise names, sizes, indexes and trees only. */
  readonly readData: boolean | ReadSubset;
}

export interface CheckReport {
  readonly snapshots: number;
  readonly trees: number;
  readonly packs: number;
  readonly blobs: number;
  /** Packs that no index lists: left by writers that died, or just being written. Not a problem. */
  readonly unreferencedPacks: number;
  readonly bytesRead: number;
  /** Empty if the repository is sound. At most `PROBLEMS_MAX` are kept. */
  readonly problems: readonly CheckProblem[];
  /** How many there were. */
  readonly problemCount: number;
  /** What the problems cost: snapshots that cannot be restored whole. */
  readonly hits: readonly HitSnapshot[];
}

export interface CheckProblem {
  /** Key of the object in the store, or `tree ID`. */
  readonly object: string;
  readonly message: string;
}

const PROBLEMS_MAX = 1000;
/** Packs in memory at a time. */
const PACK_READS_MAX = 2;

interface Check {
  readonly vault: Vault;
  readonly index: BlobIndex;
  /** Digest of the header each pack should have, by the indexes, and its size: 100 bytes a pack, however many blobs. */
  readonly packs: Map<string, ExpectedPack>;
  /** Packs that a prune marked and does not list any more: they may be needed, and they may be gone. */
  readonly marked: Map<string, PackEntry>;
  readonly problems: CheckProblem[];
  problemCount: number;
  /** Packs with a problem of their own: blobs may be lost. */
  readonly damagedPacks: Set<string>;
  readonly signal: AbortSignal | undefined;
}

interface ExpectedPack {
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Verifies a repository against itself. Writers may work meanwhile, a prune may not: the caller holds a lock against
 * it. What is damaged is reported, not thrown; throws if the store fails or the key is wrong.
 */
export async function checkRepository(store: Store, request: CheckOptions): Promise<CheckReport> {
  const { sealer, config } = await unlock(store, request);
  await using index = createBlobIndex();
  const check: Check = {
    vault: { store, sealer, version: config.version },
    index,
    packs: new Map(),
    marked: new Map(),
    problems: [],
    problemCount: 0,
    damagedPacks: new Set(),
    signal: request.signal,
  };
  // In the reverse of the order of writing: what a snapshot needs is indexed before it, and stored before that.
  const snapshots = await readSnapshots(check);
  await readIndexes(check);
  await index.settle(check.signal);
  const unreferencedPacks = await comparePacks(check);
  const trees = await walkSnapshots(check, snapshots);
  const bytesRead = request.readData === false ? 0 : await readPacks(check, request.readData);
  const hits = check.problemCount === 0 ? [] : await hitsOf(check, snapshots);
  return {
    snapshots: snapshots.length,
    trees,
    packs: check.packs.size,
    blobs: check.index.size,
    unreferencedPacks,
    bytesRead,
    problems: check.problems,
    problemCount: check.problemCount,
    hits,
  };
}

function report(check: Check, object: string, message: string): void {
  check.problemCount++;
  if (object.startsWith('data/')) check.damagedPacks.add(object.slice(object.lastIndexOf('/') + 1));
  if (check.problems.length < PROBLEMS_MAX) check.problems.push({ object, message: oneLine(message) });
}

/** Runs one step; what it finds damaged or missing is reported, and what the store fails at is thrown. */
async function attempt<T>(check: Check, object: string, step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (isAbort(error) || !(error instanceof SalvorError) || !damageCodes.has(error.code)) throw error;
    report(check, object, messageOf(error));
    return undefined;
  }
}

const damageCodes = new Set<string>(['RepositoryCorrupt', 'StoreObjectMissing', 'StoreCorrupt']);

async function readSnapshots(check: Check): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  for (const { key: id } of await listFiles(check.vault, 'snapshots', check.signal)) {
    const snapshot = await attempt(check, `snapshots/${id}`, async () =>
      decodeSnapshot(await loadFile(check.vault, 'snapshots', id, check.signal), toSnapshotId(id, 'snapshot')),
    );
    if (snapshot !== undefined) snapshots.push(snapshot);
  }
  return snapshots;
}

async function readIndexes(check: Check): Promise<void> {
  for (const { key: id } of await listFiles(check.vault, 'index', check.signal)) {
    const object = `index/${id}`;
    await attempt(check, object, async () => {
      const fields = await loadFile(check.vault, 'index', id, check.signal);
      for (const pack of decodeIndex(fields, object)) expectPack(check, pack, object);
      for (const pack of decodeMarks(fields, object)?.packs ?? []) check.marked.set(pack.id, pack);
    });
  }
}

function expectPack(check: Check, pack: PackEntry, object: string): void {
  const blobs = [...pack.blobs].sort((left, right) => left.offset - right.offset);
  const expected = { digest: hash('sha256', encodeHeader(blobs)), bytes: packBytes(blobs) };
  const known = check.packs.get(pack.id);
  if (known !== undefined && known.digest !== expected.digest) {
    report(check, object, `Two indexes disagree about the pack ${pack.id}`);
  }
  check.packs.set(pack.id, expected);
  check.index.addPack(pack);
}

/** Compares the packs of the indexes with those in the store, by name and size; answers how many no index lists. */
async function comparePacks(check: Check): Promise<number> {
  const missing = new Set(check.packs.keys());
  let unreferenced = 0;
  for await (const { key, size } of check.vault.store.list('data/', options(check.signal))) {
    const id = key.slice(key.lastIndexOf('/') + 1);
    if (!isId(id) || key !== packKey(id)) continue;
    const marked = check.marked.get(id);
    if (!check.packs.has(id) && marked !== undefined && marked.blobs.length > 0) expectPack(check, marked, key);
    const expected = check.packs.get(id);
    if (expected === undefined) unreferenced++;
    else if (expected.bytes !== size)
      report(check, key, `The pack has ${size} bytes where its index says ${expected.bytes}`);
    missing.delete(id);
  }
  for (const id of missing) report(check, packKey(id), 'The pack is missing');
  return unreferenced;
}

/** Walks each tree once, from all snapshots; answers how many trees there are. */
async function walkSnapshots(check: Check, snapshots: readonly Snapshot[]): Promise<number> {
  const source = createBlobReader(check.vault, check.index);
  const seen = createIdSet();
  const waiting: BlobId[] = [];
  const visit = (id: BlobId): void => {
    if (seen.add(id)) waiting.push(id);
  };
  for (const snapshot of snapshots) visit(snapshot.tree);
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const tree = id;
    const nodes = await attempt(check, `tree ${tree}`, async () => source.loadTree(tree, check.signal));
    for (const node of nodes ?? []) {
      checkContent(check, source, tree, node);
      if (node.subtree !== undefined) visit(node.subtree);
    }
  }
  return seen.size;
}

function checkContent(check: Check, source: BlobSource, tree: BlobId, node: TreeNode): void {
  const absent = (node.content ?? []).filter((id) => !source.hasBlob('data', id));
  if (absent.length === 0) return;
  const message = `The file ${JSON.stringify(node.name.toString())} needs ${absent.length} blobs that are in no index`;
  report(check, `tree ${tree}`, `${message}, the first is ${absent[0]}`);
}

async function readPacks(check: Check, which: true | ReadSubset): Promise<number> {
  const sized = new Map([...check.packs].map(([id, { bytes }]) => [id, bytes]));
  const chosen = which === true ? undefined : choosePacks(sized, which, Math.random);
  const sizes = await mapLimit(
    [...check.packs].filter(([id]) => chosen?.has(id) !== false),
    PACK_READS_MAX,
    async ([id, expected]) => (await attempt(check, packKey(id), async () => readPack(check, id, expected))) ?? 0,
    check.signal,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readPack(check: Check, id: string, expected: ExpectedPack): Promise<number> {
  const { store, sealer } = check.vault;
  const key = packKey(id);
  const info = await store.head(key, options(check.signal));
  // Missing packs were reported when the names were compared.
  if (info === undefined) return 0;
  if (info.size > PACK_BYTES_MAX) {
    report(check, key, `The pack is too large: ${info.size} bytes`);
    return 0;
  }
  const pack = await store.get(key, options(check.signal));
  if (fileId(pack) !== id) report(check, key, 'The pack is damaged: its hash is not its name');
  const blobs = readHeader(pack, sealer, `The pack ${id}`);
  if (hash('sha256', encodeHeader(blobs)) !== expected.digest) {
    report(check, key, 'The header of the pack does not list what its index says');
  }
  for (const blob of blobs) {
    await attempt(check, key, async () =>
      openBlob(pack.subarray(blob.offset, blob.offset + blob.length), blob, sealer),
    );
  }
  return pack.length;
}

/** Which snapshots and files the damage hits. Blobs with a copy in a sound pack are not lost, nor those that still open. */
async function hitsOf(check: Check, snapshots: readonly Snapshot[]): Promise<HitSnapshot[]> {
  const source = createBlobReader(check.vault, check.index);
  const suspects = await findSuspects({
    vault: check.vault,
    isExpected: (id) => check.packs.has(id),
    isDamaged: (id) => check.damagedPacks.has(id),
    signal: check.signal,
  });
  const lost = createIdSet();
  return findHits(snapshots, {
    loadTree: async (id) => source.loadTree(id, check.signal),
    isLost: async (id) => {
      if (lost.has(id) || check.index.find('data', id) === undefined) return true;
      if (!suspects.has(id)) return false;
      const isWhole = await source.loadBlob('data', id, check.signal).then(() => true, falseIfDamaged);
      if (isWhole) suspects.take(id);
      else lost.add(id);
      return !isWhole;
    },
  });
}

function falseIfDamaged(error: unknown): false {
  if (!isDamage(error)) throw error;
  return false;
}
