import { isDamage } from '../blob-reader.ts';
import type { IdSet } from '../care/id-set.ts';
import type { BlobId, BlobSource, TreeNode } from '../types.ts';

/** Trees that are read at a time: they are small and far away. */
const READS_MAX = 8;

/** A tree, or why it could not be read. */
export type WalkedTree =
  | { readonly id: BlobId; readonly nodes: readonly TreeNode[] }
  | { readonly id: BlobId; readonly damage: Error };

export interface TreeWalk {
  readonly root: BlobId;
  /** Trees that are passed over, with all below them; those that were walked are added. */
  readonly seen: IdSet;
  readonly signal?: AbortSignal | undefined;
}

/** Each tree once, in no particular order. One that is damaged or lost is told, and ends nothing. */
export async function* walkTrees(
  source: Pick<BlobSource, 'loadTree'>,
  { root, seen, signal }: TreeWalk,
): AsyncGenerator<WalkedTree, void, void> {
  const waiting = seen.add(root) ? [root] : [];
  const load = async (id: BlobId): Promise<WalkedTree> => {
    try {
      return { id, nodes: await source.loadTree(id, signal) };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { id, damage: error };
    }
  };
  while (waiting.length > 0) {
    signal?.throwIfAborted();
    for (const tree of await Promise.all(waiting.splice(-READS_MAX).map(load))) {
      yield tree;
      if ('damage' in tree) continue;
      for (const { subtree } of tree.nodes) if (subtree !== undefined && seen.add(subtree)) waiting.push(subtree);
    }
  }
}
