import type { BlobId, BlobSource, TreeNode } from '../types.ts';
import type { IdSet } from './id-set.ts';

/** Trees that are read at a time: they are small and far away, so that their number decides and not their bytes. */
const READS_MAX = 8;

export interface TreeVisit {
  readonly roots: readonly BlobId[];
  /** Trees that need no visit; those that were visited are added. */
  readonly seen: IdSet;
  readonly visit: (id: BlobId, nodes: readonly TreeNode[]) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Visits each tree below the roots once, in no particular order, several reads at a time. Ends with the first error. */
export async function visitTrees(source: Pick<BlobSource, 'loadTree'>, request: TreeVisit): Promise<void> {
  const { seen, signal } = request;
  const waiting: BlobId[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const enqueue = (id: BlobId): void => {
    if (seen.add(id)) waiting.push(id);
  };
  const load = async (id: BlobId): Promise<void> => {
    try {
      const nodes = await source.loadTree(id, signal);
      request.visit(id, nodes);
      for (const node of nodes) if (node.subtree !== undefined) enqueue(node.subtree);
    } catch (error) {
      failures.push(error);
    }
  };
  for (const root of request.roots) enqueue(root);
  while (failures.length === 0 && (waiting.length > 0 || running.size > 0)) {
    for (let id = next(); id !== undefined; id = next()) {
      const task: Promise<void> = load(id).finally(() => running.delete(task));
      running.add(task);
    }
    await Promise.race(running);
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];

  function next(): BlobId | undefined {
    return running.size < READS_MAX ? waiting.pop() : undefined;
  }
}
