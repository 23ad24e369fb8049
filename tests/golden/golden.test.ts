import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { restoreTree } from '#mover/restore/restore-tree';
import { checkRepository } from '#repository/check';
import { findNode, readContent, walkTree } from '#repository/find';
import { openRepository } from '#repository/repository';
import type { BlobId, Repository, TreeNode } from '#repository/types';
import { openDiskStore } from '#stores/disk/disk-store';
import type { Store } from '#stores/store';
import { attributes, entriesOf } from './entries.ts';
import type { GoldenEntry, GoldenSnapshot, Manifest } from './entries.ts';

/** What was once written must be read for ever: repositories of former versions and of other programs. */

const here = dirname(fileURLToPath(import.meta.url));
const names = globSync('*.json', { cwd: here }).map((file) => file.slice(0, -'.json'.length));
const { signal } = new AbortController();

async function rootOf(repository: Repository, snapshot: GoldenSnapshot): Promise<BlobId> {
  const found = (await repository.snapshots()).find(({ id }) => id === snapshot.id);
  assert.ok(found !== undefined, `there is no snapshot ${snapshot.id}`);
  assert.deepEqual([found.hostname, found.tags], [snapshot.hostname, snapshot.tags]);
  if (snapshot.root === '/') return found.tree;
  const node = await findNode(repository, found.tree, snapshot.root);
  assert.ok(node?.subtree !== undefined);
  return node.subtree;
}

async function entriesOfTree(repository: Repository, root: BlobId): Promise<GoldenEntry[]> {
  const entries: GoldenEntry[] = [];
  for await (const { path, node } of walkTree(repository, root)) {
    entries.push(await entryOf(repository, path.toString('latin1'), node));
  }
  return entries.sort((left, right) => (left.path < right.path ? -1 : 1));
}

async function entryOf(repository: Repository, path: string, node: TreeNode): Promise<GoldenEntry> {
  const isFile = node.type === 'file';
  const content = isFile ? Buffer.concat(await Array.fromAsync(readContent(repository, node))) : Buffer.alloc(0);
  return {
    path,
    type: node.type,
    mode: node.mode.toString(8),
    owner: `${node.uid}:${node.gid}`,
    mtimeNs: String(node.mtimeNs),
    ...(node.links === undefined || node.type === 'fifo' ? {} : { links: node.links }),
    ...(isFile ? { size: content.length, sha256: hash('sha256', content) } : {}),
    ...(node.type === 'symlink' ? { target: node.linkTarget?.toString('latin1') ?? '' } : {}),
    ...(node.type === 'chardev' || node.type === 'dev' ? { device: String(node.rdev) } : {}),
    ...attributes(node.xattrs ?? []),
  };
}

/** What can be restored without root: neither owners nor devices, and no attributes outside of `user.`. */
function withoutRoot(entries: readonly GoldenEntry[]): object[] {
  return entries
    .filter(({ type }) => type !== 'chardev' && type !== 'dev')
    .map(({ path, type, size, sha256, target }) => ({ path, type, size, sha256, target }));
}

test('there are golden repositories', () => {
  assert.ok(names.length >= 6, names.join(', '));
});

for (const name of names) {
  const { password, snapshots, version, writer } = JSON.parse(
    readFileSync(join(here, `${name}.json`), 'utf8'),
  ) as Manifest;

  describe(`${name}, by ${writer} in version ${version}`, () => {
    let store: Store;
    let repository: Repository;
    before(async () => {
      store = await openDiskStore(join(here, name));
      repository = await openRepository(store, { password });
    });
    after(async () => repository[Symbol.asyncDispose]());

    test('checks clean and holds every entry and every byte of its source', async () => {
      const report = await checkRepository(store, { password, readData: true });
      assert.deepEqual([report.problems, report.snapshots], [[], snapshots.length]);
      for (const snapshot of snapshots) {
        assert.deepEqual(await entriesOfTree(repository, await rootOf(repository, snapshot)), snapshot.entries);
      }
    });

    test('is restored as it was', async (t) => {
      const target = await mkdtemp(join(tmpdir(), 'salvor-golden-'));
      t.after(async () => rm(target, { recursive: true }));
      const [snapshot] = snapshots;
      const tree = await rootOf(repository, snapshot!);
      const { issues } = await restoreTree({ source: repository, tree, target, signal, existing: 'refuse' });
      if (process.getuid?.() === 0) {
        assert.deepEqual(issues, []);
        assert.deepEqual(entriesOf(target), snapshot!.entries);
      } else {
        assert.deepEqual(withoutRoot(entriesOf(target)), withoutRoot(snapshot!.entries));
      }
    });
  });
}
