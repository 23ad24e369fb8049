import { createBlobReader } from '../blob-reader.ts';
import { createCatalog } from '../catalog.ts';
import { plainBytes } from '../pack.ts';
import { loadSnapshots } from '../snapshot.ts';
import type { BlobId, Snapshot, SnapshotId, TreeNode } from '../types.ts';
import type { Access } from './access.ts';
import { noBlobs } from './needed-blobs.ts';
import { visitTrees } from './visit-trees.ts';

/** What one snapshot has, and what it added to those before it. */
export interface SnapshotStats {
  readonly id: SnapshotId;
  readonly time: string;
  /** Files, and their bytes as a restore writes them. */
  readonly files: number;
  readonly bytes: number;
  /** Bytes in packs that no older snapshot needs: compressed and sealed. */
  readonly addedBytes: number;
}

export interface RepositoryStats {
  /** Oldest first. */
  readonly snapshots: readonly SnapshotStats[];
  /** Of all snapshots together, as if each were restored. */
  readonly files: number;
  readonly bytes: number;
  readonly packs: number;
  readonly blobs: number;
  /** Bytes of all blobs in packs, before compression. */
  readonly uniqueBytes: number;
  /** The same in packs, with headers. */
  readonly storedBytes: number;
}

interface Totals {
  readonly files: number;
  readonly bytes: number;
}

/** Counts what a repository holds. Reads snapshots, indexes and each tree once; takes no lock and changes nothing. */
export async function repositoryStats(
  { vault }: Pick<Access, 'vault'>,
  signal: AbortSignal,
  onSnapshot: (done: number, total: number) => void,
): Promise<RepositoryStats> {
  const all = await loadSnapshots(vault, signal);
  await using catalog = createCatalog(vault);
  await catalog.refresh(signal);
  const source = createBlobReader(vault, catalog);
  const seen = noBlobs();
  const trees = new Map<BlobId, readonly TreeNode[]>();
  const totals = new Map<BlobId, Totals>();
  const snapshots: SnapshotStats[] = [];
  for (const snapshot of all) {
    let addedBytes = 0;
    const visit = (id: BlobId, nodes: readonly TreeNode[]): void => {
      trees.set(id, nodes.map(slim));
      addedBytes += catalog.find('tree', id)?.length ?? 0;
      for (const node of nodes)
        for (const blob of node.content ?? [])
          if (seen.data.add(blob)) addedBytes += catalog.find('data', blob)?.length ?? 0;
    };
    await visitTrees(source, { roots: [snapshot.tree], seen: seen.tree, visit, signal });
    snapshots.push({ ...headOf(snapshot), ...totalsOf(snapshot.tree, { trees, totals }), addedBytes });
    // What was counted is not needed a second time.
    trees.clear();
    onSnapshot(snapshots.length, all.length);
  }
  let [packs, blobs, uniqueBytes, storedBytes] = [0, 0, 0, 0];
  for await (const pack of catalog.packs(signal)) {
    packs++;
    blobs += pack.blobs.length;
    for (const blob of pack.blobs) uniqueBytes += plainBytes(blob);
    storedBytes += pack.blobs.reduce((sum, { length }) => sum + length, 0);
  }
  const sum = (of: 'files' | 'bytes'): number => snapshots.reduce((total, one) => total + one[of], 0);
  return { snapshots, files: sum('files'), bytes: sum('bytes'), packs, blobs, uniqueBytes, storedBytes };
}

function headOf({ id, time }: Snapshot): Pick<SnapshotStats, 'id' | 'time'> {
  return { id, time };
}

/** Without what is not counted: lists of blobs are most of a tree. */
function slim({ content: _content, xattrs: _xattrs, ...node }: TreeNode): TreeNode {
  return node;
}

interface Counted {
  readonly trees: ReadonlyMap<BlobId, readonly TreeNode[]>;
  readonly totals: Map<BlobId, Totals>;
}

/** From the leaves up, each tree once; a tree cannot contain itself, since its id is the hash of its content. */
function totalsOf(root: BlobId, { trees, totals }: Counted): Totals {
  const waiting = [root];
  for (let id = waiting.at(-1); id !== undefined; id = waiting.at(-1)) {
    const nodes = trees.get(id) ?? [];
    const missing = nodes.flatMap(({ subtree }) => (subtree === undefined || totals.has(subtree) ? [] : [subtree]));
    if (missing.length > 0 && !totals.has(id)) {
      waiting.push(...missing);
      continue;
    }
    waiting.pop();
    if (totals.has(id)) continue;
    let [files, bytes] = [0, 0];
    for (const { type, size = 0, subtree } of nodes) {
      const below = subtree === undefined ? undefined : totals.get(subtree);
      files += (type === 'file' ? 1 : 0) + (below?.files ?? 0);
      bytes += (type === 'file' ? size : 0) + (below?.bytes ?? 0);
    }
    totals.set(id, { files, bytes });
  }
  return totals.get(root) ?? { files: 0, bytes: 0 };
}
