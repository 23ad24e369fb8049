import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { BigIntStats } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '#shared/async';
import { openDiskStore } from '#stores/disk/disk-store';
import { keysOf } from '#stores/store.contract';
import type { Store } from '#stores/store';
import { checkRepository } from './check.ts';
import { findNode, readContent, walkTree } from './find.ts';
import { cheapKdf, createTestRepository, node, password, saveFile, snapshotOf } from './fixtures.ts';
import { createRepository, openRepository } from './repository.ts';
import { encodeTree } from './tree.ts';
import type { BlobId, Repository, TreeNode } from './types.ts';

/** Proves FORMAT.md against the stock restic: what one writes, the other reads, and locks hold for both. */

/** Debian's, and the newest, which the lab's binaries have. */
const programs = ['restic', join(process.env['SALVOR_LAB_BIN'] ?? '', 'restic')];
let program = 'restic';
let base: string;
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'salvor-interop-'));
  await makeSource(join(base, 'source'));
});
after(async () => rm(base, { recursive: true, force: true }));

let folders = 0;
const newFolder = (): string => join(base, `repository-${folders++}`);

const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: base,
  TZ: 'UTC',
  RESTIC_PASSWORD: password,
});

interface Answer {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function tryRestic(folder: string, ...args: string[]): Answer {
  const { status, stdout, stderr } = spawnSync(program, ['--no-cache', '-r', folder, ...args], {
    env: environment(),
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr: stderr.toString() };
}

function restic(folder: string, ...args: string[]): Buffer {
  const { status, stdout, stderr } = tryRestic(folder, ...args);
  assert.equal(status, 0, `restic ${args.join(' ')}: ${stderr}${stdout.toString()}`);
  return stdout;
}

/** Names whose bytes are easy to get wrong, with content of all kinds. */
const files: readonly (readonly [name: string | Buffer, content: Buffer])[] = [
  ['plain.txt', Buffer.from('plain text\n'.repeat(1000))],
  ['empty', Buffer.alloc(0)],
  ['large', randomBytes(5 * 1024 * 1024)],
  ['zeros', Buffer.alloc(2 * 1024 * 1024)],
  ['größe 大 🙂', Buffer.from('unicode')],
  ['quote"back\\slash<&>', Buffer.from('quotes')],
  ['tab\tnewline\nbell\x07', Buffer.from('controls')],
  ['nbsp\u00a0zwsp\u200bsep\u2028', Buffer.from('spaces')],
  [Buffer.from('6c6174696e312dff', 'hex'), Buffer.from('not UTF-8')],
];

async function makeSource(folder: string): Promise<void> {
  await mkdir(join(folder, 'sub', 'deep'), { recursive: true });
  const inFolder = (name: string | Buffer): Buffer => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);
  for (const [name, content] of files) await writeFile(inFolder(name), content);
  await writeFile(join(folder, 'sub', 'deep', 'file'), 'deep');
  await link(join(folder, 'plain.txt'), join(folder, 'sub', 'hard link'));
  await symlink('../plain <&> "text"', join(folder, 'sub', 'soft link'));
  await chmod(join(folder, 'plain.txt'), 0o4750);
  await chmod(join(folder, 'sub', 'deep'), 0o1777);
  assert.equal(spawnSync('mkfifo', [join(folder, 'sub', 'fifo')]).status, 0);
  // Without root there are no devices, and without its package no setfattr: then there is less to agree on.
  spawnSync('mknod', [join(folder, 'sub', 'null'), 'c', '1', '3']);
  spawnSync('setfattr', ['-n', 'user.note', '-v', 'an attribute', join(folder, 'plain.txt')]);
  await lutimes(join(folder, 'sub', 'deep', 'file'), 1, 1_234_567_890.123_456);
}

/** Every file of the source, compared with what we read from the snapshot. */
async function assertSourceReadable(repository: Repository, tree: BlobId, prefix: string): Promise<number> {
  let entries = 0;
  for await (const { path, node: found } of walkTree(repository, tree)) {
    const original = Buffer.concat([Buffer.from('/'), path]);
    if (!original.toString('latin1').startsWith(prefix)) continue;
    entries++;
    assertSameMetadata(found, await lstat(original, { bigint: true }), original.toString());
    if (found.type === 'file') {
      const content = Buffer.concat(await Array.fromAsync(readContent(repository, found)));
      assert.ok(content.equals(await readFile(original)), original.toString());
    }
    if (found.type === 'symlink') assert.deepEqual(found.linkTarget, await readlink(original, { encoding: 'buffer' }));
  }
  return entries;
}

function assertSameMetadata(found: TreeNode, stat: BigIntStats, what: string): void {
  assert.equal(found.mode, Number(stat.mode & 0o7777n), what);
  assert.equal(found.mtimeNs, stat.mtimeNs, what);
  assert.equal(found.inode, stat.ino, what);
  assert.deepEqual([found.uid, found.gid], [Number(stat.uid), Number(stat.gid)], what);
  if (found.type === 'file') assert.deepEqual([found.size, found.links], [Number(stat.size), Number(stat.nlink)], what);
  if (found.type === 'chardev') assert.equal(found.rdev, stat.rdev, what);
}

function whatResticWrote(): void {
  for (const version of ['1', '2']) {
    test(`in version ${version} is read: snapshots, trees, metadata and every byte`, async () => {
      const folder = newFolder();
      const source = join(base, 'source');
      restic(folder, 'init', '--repository-version', version);
      restic(folder, 'backup', '--tag', 'one', '--host', 'elsewhere', source);
      const store = await openDiskStore(folder);
      await using repository = await openRepository(store, { password });
      const [snapshot] = await repository.snapshots();
      assert.deepEqual([snapshot?.hostname, snapshot?.tags, snapshot?.paths], ['elsewhere', ['one'], [source]]);
      assert.ok((await assertSourceReadable(repository, snapshot!.tree, source)) >= files.length + 7);
      assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
    });

    test(`in version ${version} goes on in our hands: our trees are byte for byte its own`, async () => {
      const folder = newFolder();
      restic(folder, 'init', '--repository-version', version);
      restic(folder, 'backup', join(base, 'source'));
      await using repository = await openRepository(await openDiskStore(folder), { password });
      const [snapshot] = await repository.snapshots();
      const trees = [snapshot!.tree];
      for await (const { node: found } of walkTree(repository, snapshot!.tree))
        if (found.subtree) trees.push(found.subtree);
      for (const id of trees) {
        const bytes = await repository.loadBlob('tree', id);
        assert.equal(encodeTree(await repository.loadTree(id)).toString(), bytes.toString());
        assert.deepEqual(await repository.saveTree(await repository.loadTree(id)), {
          id,
          isNew: false,
          storedBytes: 0,
        });
      }
      await saveFile(repository, [randomBytes(100_000), Buffer.from('text '.repeat(1000))]);
      restic(folder, 'check', '--read-data');
      assert.equal((JSON.parse(restic(folder, 'snapshots', '--json').toString()) as unknown[]).length, 2);
    });
  }

  test('with several keys opens with each of them', async () => {
    const folder = newFolder();
    restic(folder, 'init');
    const file = join(base, 'second-password');
    await writeFile(file, 'second', { mode: 0o600 });
    restic(folder, 'key', 'add', '--new-password-file', file);
    const store = await openDiskStore(folder);
    await using _first = await openRepository(store, { password });
    await using _second = await openRepository(store, { password: 'second' });
    await assert.rejects(openRepository(store, { password: 'third' }), { code: 'KeyWrong' });
  });
}

function whatWeWrote(): void {
  for (const version of [1, 2] as const) {
    test(`in version ${version} restic checks, lists, dumps and restores`, async () => {
      const folder = newFolder();
      const contents = [randomBytes(300_000), Buffer.from('shrinks '.repeat(50_000)), Buffer.alloc(1024 * 1024)];
      await using repository = await createTestRepository(await openDiskStore(folder), version);
      const saved = await saveFile(repository, contents);
      assert.match(restic(folder, 'check', '--read-data').toString(), /no errors were found/);
      assert.match(restic(folder, 'ls', 'latest').toString(), /^\/dir\/file$/m);
      assert.ok(restic(folder, 'dump', saved.snapshot, '/dir/file').equals(Buffer.concat(contents)));
      const target = join(folder, 'restored');
      restic(folder, 'restore', 'latest', '--target', target);
      assert.ok((await readFile(join(target, 'dir', 'file'))).equals(Buffer.concat(contents)));
      const stat = await lstat(join(target, 'dir', 'file'), { bigint: true });
      assert.deepEqual([stat.mode & 0o7777n, stat.mtimeNs], [0o644n, 1_700_000_000_123_456_789n]);
    });
  }

  test('with names and types of all kinds is restored as it was', async () => {
    const folder = newFolder();
    await using repository = await createTestRepository(await openDiskStore(folder));
    const nodes: TreeNode[] = [];
    for (const [name, content] of files) {
      const { id } = await repository.saveBlob('data', content);
      const ids = content.length === 0 ? [] : [id];
      nodes.push(node(name, { type: 'file', mode: 0o4711, size: content.length, content: ids, links: 1 }));
    }
    nodes.push(node('link', { type: 'symlink', mode: 0o777, linkTarget: Buffer.from('../a <&> "b"\n') }));
    nodes.push(node('fifo', { type: 'fifo', mode: 0o600 }));
    nodes.push(node('empty dir', { type: 'dir', mode: 0o1755, subtree: (await repository.saveTree([])).id }));
    const root = await repository.saveTree(nodes);
    await repository.saveSnapshot(snapshotOf(root.id));
    restic(folder, 'check', '--read-data');
    const target = join(folder, 'restored');
    restic(folder, 'restore', 'latest', '--target', target);
    for (const one of nodes) {
      const path = Buffer.concat([Buffer.from(`${target}/`), one.name]);
      const stat = await lstat(path, { bigint: true });
      if (one.type !== 'symlink') assert.equal(Number(stat.mode & 0o7777n), one.mode, one.name.toString());
      assert.equal(stat.mtimeNs, one.mtimeNs, one.name.toString());
      assert.deepEqual([stat.isFIFO(), stat.isDirectory()], [one.type === 'fifo', one.type === 'dir']);
    }
    for (const [name, content] of files) {
      assert.ok((await readFile(Buffer.concat([Buffer.from(`${target}/`), Buffer.from(name)]))).equals(content));
    }
    assert.equal(await readlink(join(target, 'link')), '../a <&> "b"\n');
  });

  test('with the real cost of a password opens in restic, and restic backs up on top of it', async () => {
    const folder = newFolder();
    await using repository = await createRepository(await openDiskStore(folder), { password });
    await saveFile(repository, [Buffer.from('ours')]);
    restic(folder, 'backup', join(base, 'source'));
    restic(folder, 'check', '--read-data');
    await repository.refresh();
    const snapshots = await repository.snapshots();
    assert.equal(snapshots.length, 2);
    const theirs = snapshots.find(
      ({ programVersion }) => programVersion === undefined || !programVersion.startsWith('salvor'),
    );
    assert.ok(await assertSourceReadable(repository, theirs!.tree, join(base, 'source')));
  });

  test('is pruned by restic without harm, also to one who had it open', async () => {
    const folder = newFolder();
    const store = await openDiskStore(folder);
    await using repository = await createTestRepository(store);
    const [gone, kept] = [randomBytes(200_000), randomBytes(200_000)];
    const first = await saveFile(repository, [gone], '2026-01-01T00:00:00Z');
    const second = await saveFile(repository, [kept, Buffer.from('more')], '2026-02-01T00:00:00Z');
    restic(folder, 'forget', first.snapshot, '--prune', '--max-unused', '0');
    await using _lock = await repository.lock('shared');
    assert.equal((await repository.saveBlob('data', gone)).isNew, true);
    assert.equal((await repository.saveBlob('data', kept)).isNew, false);
    const file = await findNode(repository, second.root, '/dir/file');
    assert.ok(
      Buffer.concat(await Array.fromAsync(readContent(repository, file!)))
        .subarray(0, kept.length)
        .equals(kept),
    );
    await saveFile(repository, [gone]);
    await _lock[Symbol.asyncDispose]();
    restic(folder, 'check', '--read-data');
    assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
  });

  test('and that a writer died before its index leaves a repository that restic finds sound', async () => {
    const folder = newFolder();
    const store = await openDiskStore(folder);
    const dying: Store = {
      ...store,
      async put(key, body, options) {
        if (key.startsWith('index/')) throw new Error('killed');
        return store.put(key, body, options);
      },
    };
    await using repository = await createTestRepository(dying);
    await assert.rejects(saveFile(repository, [Buffer.from('lost')]));
    restic(folder, 'check', '--read-data');
    assert.equal((await checkRepository(store, { password, readData: true })).unreferencedPacks, 2);
  });
}

function locks(): void {
  interface Held {
    readonly child: ChildProcess;
    readonly store: Store;
    readonly folder: string;
  }

  /** Runs a restic that keeps its lock until it is ended: `backup --stdin` with an input that stays open. */
  async function withHolder(run: (held: Held) => Promise<void>): Promise<void> {
    const folder = newFolder();
    const store = await openDiskStore(folder);
    await using _repository = await createRepository(store, { password, kdf: cheapKdf });
    const child = spawn(program, ['--no-cache', '-r', folder, 'backup', '--stdin'], {
      env: environment(),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const ended = once(child, 'exit');
    try {
      await waitForLock(store);
      await run({ child, store, folder });
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  }

  async function waitForLock(store: Store): Promise<void> {
    // Until it is whole it has a temporary name.
    const isThere = async (): Promise<true | undefined> =>
      (await keysOf(store, 'locks/')).some((key) => /^locks\/[0-9a-f]{64}$/.test(key)) ? true : undefined;
    await waitFor(isThere, { what: 'the lock of restic', timeoutMs: 30_000, intervalMs: 5 });
  }

  test('of restic are respected', async () => {
    await withHolder(async ({ child, store }) => {
      await using repository = await openRepository(store, { password });
      await assert.rejects(repository.lock('exclusive'), {
        code: 'RepositoryLocked',
        message: new RegExp(`process ${child.pid}`),
      });
      await (await repository.lock('shared'))[Symbol.asyncDispose]();
      assert.equal((await keysOf(store, 'locks/')).length, 1);
    });
  });

  test('of a restic that was killed are stale and are removed', async () => {
    await withHolder(async ({ child, store }) => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      await using repository = await openRepository(store, { password });
      await (await repository.lock('exclusive'))[Symbol.asyncDispose]();
      assert.deepEqual(await keysOf(store, 'locks/'), []);
    });
  });

  test('of ours keep restic out', async () => {
    const folder = newFolder();
    const store = await openDiskStore(folder);
    await using repository = await createTestRepository(store);
    const source = join(base, 'source', 'sub', 'deep');
    {
      await using _lock = await repository.lock('shared');
      restic(folder, 'backup', source);
      const refused = tryRestic(folder, 'prune');
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, /already locked/);
    }
    {
      await using _lock = await repository.lock('exclusive');
      const refused = tryRestic(folder, 'backup', source);
      assert.notEqual(refused.status, 0);
      assert.match(
        refused.stderr,
        new RegExp(`already locked exclusively by PID ${process.pid} on test-host by tester`),
      );
    }
    restic(folder, 'prune');
  });

  test('of ours that are stale are removed by `restic unlock`', async () => {
    const folder = newFolder();
    const store = await openDiskStore(folder);
    await createTestRepository(store);
    const longAgo = { now: () => Date.now() - 31 * 60_000, sleep: async () => new Promise<void>(() => {}) };
    await using repository = await openRepository(store, { password, clock: longAgo });
    await repository.lock('exclusive');
    assert.equal((await keysOf(store, 'locks/')).length, 1);
    restic(folder, 'unlock');
    assert.deepEqual(await keysOf(store, 'locks/'), []);
  });
}

for (const path of programs) {
  describe(`with ${path}`, () => {
    before(() => {
      const { status, error } = spawnSync(path, ['version']);
      assert.equal(status, 0, `restic is needed for this test, as ${path}: ${String(error)}`);
      program = path;
    });
    describe('what restic wrote', whatResticWrote);
    describe('what we wrote', whatWeWrote);
    describe('locks', locks);
  });
}
