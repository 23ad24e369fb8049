import type { BlobId, Repository } from '#repository/types';
import { pointFolders } from './point-tree.ts';

/** The volumes of the application's newest recovery point, by claim: what is unchanged since is not read again. */
export async function parentTrees(
  repository: Repository,
  application: string,
  signal: AbortSignal,
): Promise<Map<string, BlobId>> {
  const snapshots = await repository.snapshots(signal);
  const newest = snapshots.findLast(
    (snapshot) => snapshot.tags.includes('salvor') && snapshot.tags.includes(`application=${application}`),
  );
  const trees = new Map<string, BlobId>();
  if (newest === undefined) return trees;
  await repository.refresh(signal);
  const child = async (tree: BlobId | undefined, name: string): Promise<BlobId | undefined> => {
    if (tree === undefined || !repository.hasBlob('tree', tree)) return undefined;
    const nodes = await repository.loadTree(tree, signal);
    return nodes.find((node) => node.name.toString() === name)?.subtree;
  };
  const volumes = await child(await child(newest.tree, newest.paths[0]?.slice(1) ?? ''), pointFolders.volumes);
  if (volumes === undefined || !repository.hasBlob('tree', volumes)) return trees;
  for (const node of await repository.loadTree(volumes, signal))
    if (node.subtree !== undefined) trees.set(node.name.toString(), node.subtree);
  return trees;
}
