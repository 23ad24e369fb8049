import assert from 'node:assert/strict';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { createTestRepository, node } from '#repository/fixtures';
import { hostileJson } from '#repository/hostile-json.fixture';
import type { BlobId, Repository } from '#repository/types';
import { createMemoryStore } from '#stores/memory/memory-store';
import { backupTree } from './backup/backup-tree.ts';
import { makeNode } from './posix/files.ts';
import { restoreTree, type RestoreTreeResult } from './restore/restore-tree.ts';
import { verifyTree } from './restore/verify-tree.ts';

/** Restoring what somebody made up who has the key: trees as real ones, but for what a generator changed in them. */

/** Fixed, so that a failure can be seen again. */
const seed = 20_261_125;
const { signal } = new AbortController();
const secret = 'not to be touched';

interface World {
  /** Holds the target and what must stay as it is. */
  readonly around: string;
  readonly target: string;
  readonly repository: Repository;
}

async function world(t: TestContext): Promise<World> {
  const around = await mkdtemp(join(tmpdir(), 'salvor-hostile-'));
  const repository = await createTestRepository(createMemoryStore());
  t.after(async () => {
    await repository[Symbol.asyncDispose]();
    await rm(around, { recursive: true, force: true });
  });
  mkdirSync(join(around, 'escape'));
  writeFileSync(join(around, 'secret'), secret, { mode: 0o600 });
  return { around, target: join(around, 'target'), repository };
}

/** A small source of all that needs no root, as the tree a backup makes of it. */
async function soundTree({ around, repository }: World): Promise<{ root: BlobId; sub: BlobId }> {
  const source = join(around, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'sub', 'file'), 'content');
  linkSync(join(source, 'sub', 'file'), join(source, 'sub', 'second name'));
  symlinkSync('../../secret', join(source, 'sub', 'way out'));
  makeNode(Buffer.from(join(source, 'sub', 'fifo')), 'fifo', 0n);
  const result = await backupTree({
    root: source,
    sink: repository,
    chunkerPolynomial: repository.chunkerPolynomial,
    signal,
  });
  assert.deepEqual(result.issues, []);
  await repository.flush();
  await rm(source, { recursive: true });
  const [sub] = await repository.loadTree(result.tree);
  return { root: result.tree, sub: sub!.subtree! };
}

/** Everything around the target with its metadata and content; links are not followed. */
async function surroundings(path: string, target: string): Promise<object[]> {
  const entries: object[] = [];
  for (const name of await readdir(path)) {
    const entry = join(path, name);
    if (entry === target) continue;
    const { mode, uid, gid, mtimeMs, ctimeMs, nlink, size } = await lstat(entry);
    const content = name === 'secret' ? await readFile(entry, 'utf8') : '';
    entries.push({ name, mode, uid, gid, mtimeMs, ctimeMs, nlink, size, content });
  }
  return entries;
}

/** Restores into a new target; errors are those that a user can act on, and nothing beside the target changes. */
async function restoreSafely(
  { around, target, repository }: World,
  tree: BlobId,
): Promise<RestoreTreeResult | undefined> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target);
  const before = await surroundings(around, target);
  const common = { source: repository, tree, target, signal };
  let result: RestoreTreeResult | undefined;
  try {
    result = await restoreTree({ ...common, existing: 'refuse' });
    if (result.issuesTotal === 0) await verifyTree(common);
  } catch (error) {
    if (!(error instanceof SalvorError)) throw error;
    assert.match(error.code, /^(RepositoryCorrupt|RestoreFailed)$/);
  }
  for (const { path, message } of result?.issues ?? [])
    assert.doesNotMatch(path + message, /[\p{Cc}\p{Bidi_Control}]/u);
  assert.deepEqual(await surroundings(around, target), before);
  return result;
}

test('whatever a tree holds, a restore ends with issues or a typed error, and touches nothing beside its target', async (t) => {
  const place = await world(t);
  const { repository } = place;
  const { sub } = await soundTree(place);
  const sound = (await repository.loadBlob('tree', sub)).toString();
  await fc.assert(
    fc.asyncProperty(hostileJson(sound), async (json) => {
      const inner = await repository.saveBlob('tree', Buffer.from(json));
      const root = await repository.saveTree([node('sub', { type: 'dir', subtree: inner.id })]);
      await repository.flush();
      await restoreSafely(place, root.id);
    }),
    { seed, numRuns: 80, endOnFailure: true },
  );
});

test('a damaged directory costs its own entries only: what is beside it is restored', async (t) => {
  const place = await world(t);
  const { repository } = place;
  const { id } = await repository.saveBlob('tree', Buffer.from('{"nodes":[{"name":"../escape/x"}]}'));
  const data = await repository.saveBlob('data', Buffer.from('whole'));
  const root = await repository.saveTree([
    node('bad', { type: 'dir', subtree: id }),
    node('good', { type: 'file', size: 5, content: [data.id] }),
  ]);
  await repository.flush();
  const result = await restoreSafely(place, root.id);
  assert.deepEqual(
    result?.issues.filter(({ code }) => code === 'RepositoryCorrupt').map(({ path }) => path),
    ['bad'],
  );
  assert.equal(await readFile(join(place.target, 'good'), 'utf8'), 'whole');
});

test('an entry that a symlink of the same tree would lead outside stays inside or is an issue', async (t) => {
  const place = await world(t);
  const { repository } = place;
  const data = await repository.saveBlob('data', Buffer.from('gone'));
  const inner = await repository.saveTree([node('secret', { type: 'file', size: 4, content: [data.id] })]);
  // Two entries of one name are refused when a tree is decoded; so the link and the directory differ by case only.
  const root = await repository.saveTree([
    node('Dir', { type: 'symlink', linkTarget: Buffer.from('..') }),
    node('dir', { type: 'dir', subtree: inner.id }),
    node('etc', { type: 'symlink', linkTarget: Buffer.from('/etc') }),
  ]);
  await repository.flush();
  assert.ok(await restoreSafely(place, root.id));
  assert.equal(await readlink(join(place.target, 'Dir')), '..');
  assert.equal(await readFile(join(place.target, 'dir', 'secret'), 'utf8'), 'gone');
  assert.equal(await readFile(join(place.around, 'secret'), 'utf8'), secret);
});

test('a hostile parent gives a backup nothing: its tree is that of a backup without one', async (t) => {
  const { around, repository } = await world(t);
  const source = join(around, 'source');
  mkdirSync(source);
  for (const name of ['a', 'b']) writeFileSync(join(source, name), name.repeat(10));
  const common = { root: source, sink: repository, chunkerPolynomial: repository.chunkerPolynomial, signal };
  const whole = await backupTree(common);
  await repository.flush();
  // The access time of a file that is not read again may be the parent's.
  const nodesOf = async (tree: BlobId): Promise<object[]> =>
    (await repository.loadTree(tree)).map((entry) => ({ ...entry, atimeNs: 0n }));
  const expected = await nodesOf(whole.tree);
  const sound = (await repository.loadBlob('tree', whole.tree)).toString();
  await fc.assert(
    fc.asyncProperty(hostileJson(sound), async (json) => {
      const parent = await repository.saveBlob('tree', Buffer.from(`${json}\n`));
      await repository.flush();
      const { tree, issues } = await backupTree({ ...common, parent: { source: repository, tree: parent.id } });
      await repository.flush();
      assert.deepEqual(issues, []);
      assert.deepEqual(await nodesOf(tree), expected);
    }),
    { seed, numRuns: 60, endOnFailure: true },
  );
});
