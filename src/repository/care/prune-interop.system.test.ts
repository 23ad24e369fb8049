import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openDiskStore } from '#stores/disk/disk-store';
import { keysOf } from '#stores/store.contract';
import type { Store } from '#stores/store';
import { checkRepository } from '../check.ts';
import { createTestRepository, identity, password, saveFile } from '../fixtures.ts';
import type { Saved } from '../fixtures.ts';
import { openRepository } from '../repository.ts';
import type { SnapshotId } from '../types.ts';
import { prune } from './scene.fixture.ts';

/** Proves against the stock restic that it can use what our prune leaves, marks included, and that ours can use what its prune leaves. */

let base: string;
before(async () => {
  if (spawnSync('restic', ['version']).status !== 0) {
    throw new Error('restic is needed for this test: apt-get install -y restic');
  }
  base = await mkdtemp(join(tmpdir(), 'salvor-prune-'));
});
after(async () => rm(base, { recursive: true, force: true }));

function restic(folder: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('restic', ['--no-cache', '-r', folder, ...args], {
    env: { PATH: process.env['PATH'], HOME: base, TZ: 'UTC', RESTIC_PASSWORD: password },
    encoding: 'latin1',
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(status, 0, `restic ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

interface Prepared {
  readonly folder: string;
  readonly store: Store;
  /** The snapshot that stays; it shares a blob with the one that is gone. */
  readonly kept: Saved;
  readonly bytes: Buffer;
}

/** A repository with one snapshot that is forgotten and one that stays. */
async function prepare(name: string): Promise<Prepared> {
  const folder = join(base, name);
  const store = await openDiskStore(folder);
  const [shared, gone, own] = [randomBytes(100_000), randomBytes(100_000), randomBytes(100_000)];
  await using _made = await createTestRepository(store);
  const run = async (pieces: readonly Buffer[]): Promise<Saved> => {
    await using repository = await openRepository(store, { password, identity });
    await using _lock = await repository.lock('shared');
    return await saveFile(repository, pieces);
  };
  const forgotten = await run([shared, gone]);
  const kept = await run([shared, own]);
  await using repository = await openRepository(store, { password, identity });
  await repository.deleteSnapshot(forgotten.snapshot as SnapshotId);
  return { folder, store, kept, bytes: Buffer.concat([shared, own]) };
}

async function assertBothRead({ folder, store, kept, bytes }: Prepared): Promise<void> {
  // Our locks are in the way of its exclusive one.
  restic(folder, '--no-lock', 'check', '--read-data');
  const dumped = restic(folder, 'dump', kept.snapshot, '/dir/file');
  assert.ok(Buffer.from(dumped, 'latin1').equals(bytes));
  assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
}

/** Indexes that are hours old: what was indexed just before a writer began, a prune leaves for later. */
async function makeOld(folder: string): Promise<void> {
  const hoursAgo = new Date(Date.now() - 3 * 3_600_000);
  for (const name of await readdir(join(folder, 'index')))
    await utimes(join(folder, 'index', name), hoursAgo, hoursAgo);
}

const packCount = async (store: Store): Promise<number> => (await keysOf(store, 'data/')).length;

test('restic finds nothing to complain of after our prune, nor anything more to prune', async () => {
  const prepared = await prepare('after');
  const report = await prune(prepared.store);
  assert.ok(report.deletedPacks > 0 && report.repackedPacks > 0);
  await assertBothRead(prepared);
  const packs = await packCount(prepared.store);
  restic(prepared.folder, 'prune', '--max-unused', '0');
  assert.equal(await packCount(prepared.store), packs);
  await assertBothRead(prepared);
});

test('restic reads, extends and prunes a repository in which packs are marked', async () => {
  const prepared = await prepare('marked');
  const { folder, store } = prepared;
  {
    await using writer = await openRepository(store, { password, identity });
    await using _lock = await writer.lock('shared');
    await makeOld(folder);
    assert.ok((await prune(store)).markedPacks > 0);
    await assertBothRead(prepared);
    restic(folder, 'backup', '--quiet', process.execPath);
    await assertBothRead(prepared);
  }
  restic(folder, 'prune', '--max-unused', '0');
  await assertBothRead(prepared);
  // restic does not keep the marks: there is nothing left for ours to do.
  const report = await prune(store);
  assert.deepEqual([report.deletedPacks, report.markedPacks], [0, 0]);
  await assertBothRead(prepared);
});

test('what restic comes to need of marked packs is brought back', async () => {
  const prepared = await prepare('rescued');
  const { folder, store } = prepared;
  restic(folder, 'backup', '--quiet', process.execPath);
  await using writer = await openRepository(store, { password, identity });
  const ofRestic = (await writer.snapshots()).find(({ id }) => id !== prepared.kept.snapshot);
  await writer.deleteSnapshot(ofRestic?.id ?? assert.fail('restic made no snapshot'));
  await makeOld(folder);
  await using lock = await writer.lock('shared');
  const { markedPacks } = await prune(store);
  assert.ok(markedPacks > 1);
  // The field says nothing to restic, which relies on what is marked.
  const packs = await packCount(store);
  restic(folder, 'backup', '--quiet', process.execPath);
  assert.ok((await packCount(store)) <= packs + 1, 'restic stored its data again');
  await lock[Symbol.asyncDispose]();
  const report = await prune(store);
  assert.ok(report.rescuedPacks > 0, JSON.stringify(report));
  await assertBothRead(prepared);
  assert.equal((await prune(store)).markedPacks, 0);
});
