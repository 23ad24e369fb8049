import { messageOf, SalvorError } from '#shared/errors';
import type { Catalog } from '../catalog.ts';
import { corrupt } from '../corrupt.ts';
import type { BlobId, BlobSource, BlobType, Snapshot, TreeNode } from '../types.ts';
import { createIdSet } from './id-set.ts';
import type { IdSet } from './id-set.ts';
import { visitTrees } from './visit-trees.ts';

/** What snapshots need. */
export type NeededBlobs = Readonly<Record<BlobType, IdSet>>;

export interface NeededRequest {
  readonly catalog: Pick<Catalog, 'find'>;
  readonly source: Pick<BlobSource, 'loadTree'>;
  readonly signal?: AbortSignal | undefined;
  readonly onSnapshot?: ((done: number) => void) | undefined;
}

export function noBlobs(): NeededBlobs {
  return { data: createIdSet(), tree: createIdSet() };
}

/**
 * Adds all blobs that the snapshots need. Throws `RepositoryCorrupt` that names the snapshot if a tree cannot be read
 * or a blob is in no index: what cannot be seen must not be taken for unneeded.
 */
export async function addNeeded(
  needed: NeededBlobs,
  snapshots: readonly Snapshot[],
  request: NeededRequest,
): Promise<void> {
  for (const [index, snapshot] of snapshots.entries()) {
    const addContent = (tree: BlobId, nodes: readonly TreeNode[]): void => {
      for (const node of nodes) {
        for (const id of node.content ?? []) {
          if (needed.data.add(id) && request.catalog.find('data', id) === undefined)
            throw corrupt(`the file ${JSON.stringify(node.name.toString())} in the tree ${tree} needs the blob ${id}`);
        }
      }
    };
    try {
      const { source, signal } = request;
      await visitTrees(source, { roots: [snapshot.tree], seen: needed.tree, visit: addContent, signal });
    } catch (error) {
      if (!(error instanceof SalvorError && error.code === 'RepositoryCorrupt')) throw error;
      throw new SalvorError(`The snapshot ${snapshot.id} of ${snapshot.time} is not whole: ${messageOf(error)}`, {
        code: 'RepositoryCorrupt',
        hint: 'Nothing was deleted. See all damage with `salvor verify`; give a snapshot up with `salvor repo forget ID`.',
        cause: error,
      });
    }
    request.onSnapshot?.(index + 1);
  }
}
