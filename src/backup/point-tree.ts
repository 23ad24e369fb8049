import type { BlobId, BlobSink, TreeNode } from '#repository/types';

/**
 * How a recovery point looks inside the repository, so that `restic ls` and `restic restore` show it to people:
 *
 *     /<namespace>/ledger.json
 *     /<namespace>/objects/<kind>/<name>.yaml      objects of the namespace, `deployments.apps/web.yaml`
 *     /<namespace>/cluster/<kind>/<name>.yaml      objects of the cluster that they need
 *     /<namespace>/volumes/<claim>/...             the files of each volume
 */
export const pointFolders = {
  objects: 'objects',
  cluster: 'cluster',
  volumes: 'volumes',
  ledger: 'ledger.json',
} as const;

/** A directory that Salvor makes up, readable by its owner only: it holds Secrets. */
export function folderNode(name: string, subtree: BlobId, atMs: number): TreeNode {
  return { ...made(name, atMs), type: 'dir', mode: 0o700, subtree };
}

/** A file that Salvor makes up; the content is one blob. */
export async function fileNode(
  sink: BlobSink,
  name: string,
  bytes: Buffer,
  atMs: number,
  signal?: AbortSignal,
): Promise<{ node: TreeNode; storedBytes: number }> {
  const blob = bytes.length === 0 ? undefined : await sink.saveBlob('data', bytes, signal);
  const node: TreeNode = {
    ...made(name, atMs),
    type: 'file',
    mode: 0o600,
    size: bytes.length,
    links: 1,
    content: blob === undefined ? [] : [blob.id],
  };
  return { node, storedBytes: blob?.storedBytes ?? 0 };
}

function made(name: string, atMs: number): Omit<TreeNode, 'type' | 'mode'> {
  const atNs = BigInt(Math.trunc(atMs)) * 1_000_000n;
  return {
    name: Buffer.from(name),
    mtimeNs: atNs,
    atimeNs: atNs,
    ctimeNs: atNs,
    uid: 0,
    gid: 0,
    inode: 0n,
    deviceId: 0n,
  };
}
