import type { Store } from '#stores/store';
import type { Identity } from './identity.ts';
import { createRepository } from './repository.ts';
import type { BlobId, Repository, Snapshot, TreeNode } from './types.ts';

/** For tests: what several of them need. */

export const password = 'correct horse';

/** Weak on purpose: the real parameters cost half a second a try. */
export const cheapKdf = { N: 16, r: 8, p: 1 };

export const identity: Identity = { hostname: 'test-host', username: 'tester', uid: 1000, gid: 1000, pid: process.pid };

export async function createTestRepository(store: Store, version: 1 | 2 = 2): Promise<Repository> {
  return createRepository(store, { password, kdf: cheapKdf, identity, version });
}

const moment = 1_700_000_000_123_456_789n;

/** A node with the fields every node has. */
export function node(name: string | Buffer, rest: Partial<TreeNode> & Pick<TreeNode, 'type'>): TreeNode {
  return {
    name: Buffer.from(name),
    mode: rest.type === 'dir' ? 0o755 : 0o644,
    mtimeNs: moment,
    atimeNs: moment,
    ctimeNs: moment,
    uid: 0,
    gid: 0,
    inode: 7n,
    deviceId: 0n,
    ...rest,
  };
}

/** A snapshot's fields around a root tree. */
export function snapshotOf(tree: BlobId, time = '2026-11-23T10:00:00.5Z'): Omit<Snapshot, 'id'> {
  return {
    time,
    tree,
    paths: ['/data'],
    hostname: identity.hostname,
    username: identity.username,
    uid: 1000,
    gid: 1000,
    tags: ['salvor', 'test'],
    programVersion: 'salvor test',
  };
}

/** Saves `/dir/file` with these pieces as its content, and a snapshot of it. */
export async function saveFile(repository: Repository, pieces: readonly Uint8Array[], time?: string): Promise<Saved> {
  const content: BlobId[] = [];
  let size = 0;
  for (const piece of pieces) {
    content.push((await repository.saveBlob('data', piece)).id);
    size += piece.length;
  }
  const folder = await repository.saveTree([node('file', { type: 'file', size, content, links: 1 })]);
  const root = await repository.saveTree([node('dir', { type: 'dir', subtree: folder.id })]);
  return {
    root: root.id,
    folder: folder.id,
    content,
    snapshot: await repository.saveSnapshot(snapshotOf(root.id, time)),
  };
}

export interface Saved {
  readonly root: BlobId;
  readonly folder: BlobId;
  readonly content: readonly BlobId[];
  readonly snapshot: string;
}
