import { parse } from 'yaml';
import type { KubeObject } from '#api/objects';
import type { Repository, TreeNode } from '#repository/types';
import { mapLimit } from '#shared/async';
import { SalvorError, messageOf } from '#shared/errors';
import { nodeAt, readFile } from './points.ts';
import type { Point } from './points.ts';

/** Each is a small blob, mostly from packs that are read already. */
const readsMax = 8;

export interface StoredObjects {
  /** Objects of the namespace, the Namespace itself among them. */
  readonly objects: readonly KubeObject[];
  /** Objects of the cluster that they need. */
  readonly cluster: readonly KubeObject[];
}

/** Reads the Kubernetes objects of a recovery point. */
export async function loadObjects(repository: Repository, point: Point, signal: AbortSignal): Promise<StoredObjects> {
  const { namespace } = point.ledger;
  const top = await nodeAt(repository, point.snapshot.tree, [namespace], signal);
  const folders = top.subtree === undefined ? [] : await repository.loadTree(top.subtree, signal);
  const read = async (name: string): Promise<KubeObject[]> => {
    const folder = folders.find((node) => node.name.toString() === name);
    return folder === undefined ? [] : objectsBelow(repository, folder, signal);
  };
  return { objects: await read('objects'), cluster: await read('cluster') };
}

async function objectsBelow(repository: Repository, folder: TreeNode, signal: AbortSignal): Promise<KubeObject[]> {
  const kinds = folder.subtree === undefined ? [] : await repository.loadTree(folder.subtree, signal);
  const files: { readonly path: string; readonly node: TreeNode }[] = [];
  for (const kind of kinds) {
    const nodes = kind.subtree === undefined ? [] : await repository.loadTree(kind.subtree, signal);
    files.push(...nodes.map((node) => ({ path: `${kind.name.toString()}/${node.name.toString()}`, node })));
  }
  return mapLimit(
    files,
    readsMax,
    async ({ path, node }, both) => parseObject(path, (await readFile(repository, node, both)).toString('utf8')),
    signal,
  );
}

function parseObject(path: string, text: string): KubeObject {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new SalvorError(`Stored object ${path} is not YAML: ${messageOf(error)}`, {
      code: 'RepositoryCorrupt',
      cause: error,
    });
  }
  if (isObject(value)) return value;
  throw new SalvorError(`Stored object ${path} has no apiVersion, kind or metadata.name`, {
    code: 'RepositoryCorrupt',
  });
}

function isObject(value: unknown): value is KubeObject {
  const object = value as Partial<KubeObject> | null;
  return (
    typeof object === 'object' &&
    object !== null &&
    typeof object.apiVersion === 'string' &&
    typeof object.kind === 'string' &&
    typeof object.metadata?.name === 'string'
  );
}
