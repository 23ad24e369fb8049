import { isDamage } from './blob-reader.ts';
import { createIdSet } from './care/id-set.ts';
import { corrupt, oneLine } from './corrupt.ts';
import type { BlobId, Snapshot, SnapshotId, TreeNode } from './types.ts';

/** A snapshot that cannot be restored whole, and what is lost in it. */
export interface HitSnapshot {
  readonly snapshot: SnapshotId;
  readonly time: string;
  /** Files with lost content, and folders whose list is lost, these with a slash at the end. At most `PATHS_MAX`. */
  readonly paths: readonly string[];
  /** True if there are more. */
  readonly hasMore: boolean;
}

/** What is known of the damage. */
export interface Damage {
  /** Throws damage if the tree is lost. */
  readonly loadTree: (id: BlobId) => Promise<readonly TreeNode[]>;
  /** Whether no copy of the data blob can be read. */
  readonly isLost: (id: BlobId) => Promise<boolean>;
}

/** More say nothing to a person; a forged tree may lead to as many as it likes. */
const PATHS_MAX = 100;
/** As in find.ts: deeper than any path of Linux. */
const DEPTH_MAX = 2048;

/** Names the snapshots that the damage hits, and the files. Reads each sound tree once, and holds one id for each. */
export async function findHits(snapshots: readonly Snapshot[], damage: Damage): Promise<HitSnapshot[]> {
  const judge = createJudge(damage);
  const hits: HitSnapshot[] = [];
  for (const { id, time, tree } of snapshots) {
    if (!(await judge.isTreeHit(tree, 0))) continue;
    const paths: string[] = [];
    for await (const path of judge.lostPaths(tree, '', 0)) {
      paths.push(path);
      if (paths.length > PATHS_MAX) break;
    }
    hits.push({ snapshot: id, time, paths: paths.slice(0, PATHS_MAX), hasMore: paths.length > PATHS_MAX });
  }
  return hits;
}

interface Judge {
  isTreeHit(id: BlobId, depth: number): Promise<boolean>;
  lostPaths(id: BlobId, folder: string, depth: number): AsyncIterable<string>;
}

function createJudge({ loadTree, isLost }: Damage): Judge {
  const sound = createIdSet();
  const hit = createIdSet();

  const load = async (id: BlobId, depth: number): Promise<readonly TreeNode[] | undefined> => {
    if (depth > DEPTH_MAX) throw corrupt(`The tree ${id} is deeper than ${DEPTH_MAX} directories`);
    try {
      return await loadTree(id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return undefined;
    }
  };

  const isNodeHit = async (node: TreeNode, depth: number): Promise<boolean> => {
    if (node.subtree !== undefined) return isTreeHit(node.subtree, depth + 1);
    for (const id of node.content ?? []) if (await isLost(id)) return true;
    return false;
  };

  const isTreeHit = async (id: BlobId, depth: number): Promise<boolean> => {
    if (sound.has(id)) return false;
    if (hit.has(id)) return true;
    const nodes = await load(id, depth);
    let isHit = nodes === undefined;
    for (const node of nodes ?? []) {
      isHit = await isNodeHit(node, depth);
      if (isHit) break;
    }
    (isHit ? hit : sound).add(id);
    return isHit;
  };

  /** Goes only where something is lost, so that it finds a path at the end of every way. */
  async function* lostPaths(id: BlobId, folder: string, depth: number): AsyncIterable<string> {
    const nodes = await load(id, depth);
    if (nodes === undefined) yield `${folder}/`;
    for (const node of nodes ?? []) {
      if (!(await isNodeHit(node, depth))) continue;
      const path = `${folder}/${oneLine(node.name.toString())}`;
      if (node.subtree === undefined) yield path;
      else yield* lostPaths(node.subtree, path, depth + 1);
    }
  }

  return { isTreeHit, lostPaths };
}
