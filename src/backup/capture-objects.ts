import { resourceName } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { Amount, Issue } from '#api/ledger';
import type { CapturedObject } from '#discovery/inventory';
import type { BlobId, BlobSink, TreeNode } from '#repository/types';
import { mapLimit } from '#shared/async';
import { manifestYaml } from './manifest-yaml.ts';
import { fileNode, folderNode, pointFolders } from './point-tree.ts';

/** Objects are small: this many at a time keep the packer busy. */
const savesMax = 16;

export interface CapturedObjects {
  readonly kind: 'objects';
  /** The folders `objects` and `cluster` of the recovery point. */
  readonly nodes: readonly TreeNode[];
  readonly hash: BlobId;
  readonly captured: Amount;
  readonly planned: Amount;
  readonly storedBytes: number;
  readonly issues: readonly Issue[];
}

/** Writes every object as a YAML file of its own. What could not be read from the cluster is planned but not captured. */
export async function captureObjects(
  sink: BlobSink,
  objects: readonly CapturedObject[],
  unread: readonly Issue[],
  atMs: number,
  signal: AbortSignal,
): Promise<CapturedObjects> {
  const nodes: TreeNode[] = [];
  const captured = { items: 0, bytes: 0 };
  let storedBytes = 0;
  for (const [folder, members] of Map.groupBy(objects, ({ resource }) =>
    resource.namespaced || resourceName(resource) === 'namespaces' ? pointFolders.objects : pointFolders.cluster,
  )) {
    const kindNodes: TreeNode[] = [];
    for (const [kind, ofKind] of Map.groupBy(members, ({ resource }) => resourceName(resource))) {
      const files = await mapLimit(
        ofKind,
        savesMax,
        async ({ object }, both) => {
          const bytes = Buffer.from(objectYaml(object));
          captured.items++;
          captured.bytes += bytes.length;
          const madeMs = Date.parse(object.metadata.creationTimestamp ?? '') || atMs;
          return fileNode(sink, `${object.metadata.name}.yaml`, bytes, madeMs, both);
        },
        signal,
      );
      const tree = await sink.saveTree(
        files.map((file) => file.node),
        signal,
      );
      storedBytes += tree.storedBytes + files.reduce((sum, file) => sum + file.storedBytes, 0);
      kindNodes.push(folderNode(kind, tree.id, atMs));
    }
    const tree = await sink.saveTree(kindNodes, signal);
    storedBytes += tree.storedBytes;
    nodes.push(folderNode(folder, tree.id, atMs));
  }
  const root = await sink.saveTree(nodes, signal);
  const planned = { items: captured.items + unread.length, bytes: captured.bytes };
  return {
    kind: 'objects',
    nodes,
    hash: root.id,
    captured,
    planned,
    storedBytes: storedBytes + root.storedBytes,
    issues: unread,
  };
}

/** The object as the API server gave it, without the field-ownership notes that nobody restores. */
export function objectYaml(object: KubeObject): string {
  const { managedFields: _, ...metadata } = object.metadata as KubeObject['metadata'] & { managedFields?: unknown };
  return manifestYaml({ ...object, metadata });
}
