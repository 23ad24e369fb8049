import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { chmod, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createRepository, openRepository } from '#repository/repository';
import type { BlobId, Repository, TreeNode } from '#repository/types';
import { openDiskStore } from '#stores/disk/disk-store';
import { backupTree, type BackupTreeResult } from './backup/backup-tree.ts';
import { makeNode, setTimes } from './posix/files.ts';
import { writeXattr } from './posix/xattrs.ts';
import { restoreTree } from './restore/restore-tree.ts';
import { verifyTree } from './restore/verify-tree.ts';

/** Needs root, and Debian's restic, rsync, acl and libcap2-bin: independent judges of what Salvor reads and writes. */

const MiB = 1024 * 1024;
const password = 'system test';
const { signal } = new AbortController();

interface World {
  readonly source: string;
  readonly repositoryPath: string;
  readonly folder: (name: string) => Promise<string>;
  readonly restic: (...args: string[]) => string;
  readonly open: () => Promise<Repository>;
}

async function world(t: TestContext): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-restic-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const folder = async (name: string): Promise<string> => {
    await mkdir(join(root, name));
    return join(root, name);
  };
  const source = await folder('source');
  await folder('cache');
  const repositoryPath = await folder('repository');
  const env = { ...process.env, RESTIC_PASSWORD: password, RESTIC_REPOSITORY: repositoryPath };
  return {
    source,
    repositoryPath,
    folder,
    restic: (...args) =>
      execFileSync('restic', ['--cache-dir', join(root, 'cache'), ...args], { env, encoding: 'utf8', cwd: root }),
    open: async () => openRepository(await openDiskStore(repositoryPath), { password }),
  };
}

/**
 * Everything that Linux lets root make, except what restic 0.14 does not keep: sockets it does not restore, and bytes in
 * link targets that are not UTF-8 it replaces.
 */
async function makeSource(root: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  mkdirSync(at('app/data/empty'), { recursive: true });
  writeFileSync(at('app/random'), randomBytes(23 * MiB + 12_345));
  writeFileSync(at('app/text'), 'line of text\n'.repeat(400_000));
  writeFileSync(at('app/constant'), Buffer.alloc(17 * MiB, 0x55));
  writeFileSync(at('app/min'), randomBytes(512 * 1024));
  writeFileSync(at('app/min+1'), randomBytes(512 * 1024 + 1));
  writeFileSync(at('app/small'), 'small');
  writeFileSync(at('app/nothing'), '');
  const sparse = await open(at('app/sparse'), 'w');
  await sparse.write(randomBytes(3 * MiB), 0, 3 * MiB, 10 * MiB + 1);
  await sparse.write(randomBytes(5000), 0, 5000, 60 * MiB + 777);
  await sparse.truncate(100 * MiB + 3);
  await sparse.close();
  linkSync(at('app/small'), at('app/data/hard link'));
  linkSync(at('app/random'), at('zz-second-name'));
  symlinkSync('../../no/where', at('app/data/link'));
  writeFileSync(Buffer.concat([Buffer.from(at('app/latin-')), Buffer.from([0xe9, 0xfc])]), 'latin-1 name');
  writeFileSync(at('app/grüße 日本 ☃ "quoted" \\ \n line'), 'unicode');
  makeNode(Buffer.from(at('app/fifo')), 'fifo', 0n);
  makeNode(Buffer.from(at('app/null')), 'chardev', 0x103n);
  makeNode(Buffer.from(at('app/disk')), 'dev', 0x700n);
  chownSync(at('app/text'), 1234, 5678);
  lchownSync(at('app/data/link'), 1234, 5678);
  chownSync(at('app/data'), 999, 999);
  writeXattr(Buffer.from(at('app/text')), { name: 'user.note', value: Buffer.from([0, 1, 255]) });
  writeXattr(Buffer.from(at('app/data')), { name: 'user.dir', value: Buffer.from('on a directory') });
  writeXattr(Buffer.from(at('app/text')), { name: 'trusted.secret', value: Buffer.from('root only') });
  writeFileSync(at('app/capable'), '#!/bin/sh\n', { mode: 0o755 });
  chownSync(at('app/capable'), 1000, 1000);
  execFileSync('setcap', ['cap_net_bind_service,cap_net_raw+ep', at('app/capable')]);
  execFileSync('setfacl', ['-m', 'u:4242:rw,g:4243:r', at('app/text')]);
  execFileSync('setfacl', ['-m', 'u:4242:rwx', '-m', 'd:u:4242:rx', at('app/data')]);
  writeFileSync(at('app/setuid'), 'x');
  chownSync(at('app/setuid'), 77, 88);
  await chmod(at('app/setuid'), 0o6755);
  await chmod(at('app/data/empty'), 0o3711);
  await chmod(at('app/null'), 0o626);
  lutimesSync(at('app/data/link'), 1_234_567_890.123, 1_111_111_111.5);
  setTimes(Buffer.from(at('app/small')), 5n, 1_700_000_000_123_456_789n);
  setTimes(Buffer.from(at('app/nothing')), -1n, -123_456_789_987_654_321n);
  utimesSync(at('app/fifo'), 1_000_000_000, 1_000_000_000.75);
  utimesSync(at('app/data/empty'), 1_000_000_001, 1_000_000_001.25);
  utimesSync(at('app/data'), 1_000_000_002, 1_000_000_002.25);
  utimesSync(at('app'), 1_000_000_003, 1_000_000_003.25);
}

/** rsync as the judge: owners, modes, times to the nanosecond, links, devices, ACLs, xattrs, and every byte. */
function assertSameTree(expected: string, found: string): void {
  const args = ['-aHAX', '--numeric-ids', '--checksum', '--modify-window=-1', '--delete', '--dry-run', '-ii'];
  const lines = execFileSync('rsync', [...args, `${expected}/`, `${found}/`], { encoding: 'utf8' }).split('\n');
  // -ii lists every entry; a dot first and only dots and spaces after the type mean: equal.
  const different = lines.filter(
    (line) => line !== '' && !/^[.h][fdLDS] {9,} /.test(line) && !/^\.d\.\.t\.+ \.\/$/.test(line),
  );
  assert.deepEqual(different, []);
  assert.ok(lines.length > 20, 'rsync compared nothing');
}

async function backup(repository: Repository, root: string, parent?: BlobId): Promise<BackupTreeResult> {
  const result = await backupTree({
    root,
    sink: repository,
    chunkerPolynomial: repository.chunkerPolynomial,
    signal,
    ...(parent === undefined ? {} : { parent: { source: repository, tree: parent } }),
  });
  await repository.flush();
  return result;
}

async function snapshot(repository: Repository, tree: BlobId): Promise<void> {
  const who = { hostname: 'salvor', username: 'root', uid: 0, gid: 0 };
  await repository.saveSnapshot({ time: new Date().toISOString(), tree, paths: ['/source'], tags: [], ...who });
}

/** The tree under a path of the newest snapshot. */
async function newestTree(repository: Repository, path: string): Promise<BlobId> {
  let tree = (await repository.snapshots()).at(-1)!.tree;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const node = (await repository.loadTree(tree)).find((entry) => entry.name.toString() === name);
    tree = node!.subtree!;
  }
  return tree;
}

/** All entries by path, with what both programs must record alike: access times move, names of users are not ours. */
async function recorded(repository: Repository, tree: BlobId, path = ''): Promise<Map<string, object>> {
  const found = new Map<string, object>();
  for (const node of await repository.loadTree(tree)) {
    const name = `${path}/${node.name.toString('latin1')}`;
    const { atimeNs: _a, user: _u, group: _g, deviceId: _d, subtree: _s, ...same } = node;
    const xattrs = [...(node.xattrs ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
    found.set(name, { ...withoutFifoLinks(same), xattrs });
    if (node.subtree === undefined) continue;
    for (const [inner, entry] of await recorded(repository, node.subtree, name)) found.set(inner, entry);
  }
  return found;
}

/** restic records no number of links for FIFOs. */
function withoutFifoLinks(node: Partial<TreeNode>): object {
  if (node.type !== 'fifo') return node;
  const { links: _, ...rest } = node;
  return rest;
}

test('what Salvor backs up, stock restic checks and restores, equal to the source', async (t) => {
  const { source, repositoryPath, folder, restic, open: openIt } = await world(t);
  await makeSource(source);
  await (await createRepository(await openDiskStore(repositoryPath), { password }))[Symbol.asyncDispose]();
  await using repository = await openIt();
  const result = await backup(repository, source);
  assert.deepEqual(result.issues, []);
  assert.deepEqual(
    [result.ledger.capturedItems, result.ledger.capturedBytes],
    [result.ledger.plannedItems, result.ledger.plannedBytes],
  );
  await snapshot(repository, result.tree);
  assert.match(restic('check', '--read-data'), /no errors were found/);
  const target = await folder('restored-by-restic');
  restic('restore', 'latest', '--target', target);
  assertSameTree(source, target);
});

test('restic finds nothing new in data that Salvor stored: all cuts are equal', async (t) => {
  const { source, repositoryPath, restic, open: openIt } = await world(t);
  await makeSource(source);
  await (await createRepository(await openDiskStore(repositoryPath), { password }))[Symbol.asyncDispose]();
  await using repository = await openIt();
  await snapshot(repository, (await backup(repository, source)).tree);
  const lines = restic('backup', '--json', '--force', source).trim().split('\n');
  const summary = JSON.parse(lines.at(-1)!) as { data_blobs: number; total_bytes_processed: number };
  assert.ok(summary.total_bytes_processed > 150 * MiB);
  assert.equal(summary.data_blobs, 0);
});

test("Salvor records what restic records, entry by entry, and nothing of restic's data is new", async (t) => {
  const { source, restic, open: openIt } = await world(t);
  await makeSource(source);
  restic('init');
  restic('backup', source);
  await using repository = await openIt();
  const theirs = await newestTree(repository, source);
  const ours = await backup(repository, source);
  assert.equal(ours.newBytes, 0);
  const [expected, found] = [await recorded(repository, theirs), await recorded(repository, ours.tree)];
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [path, node] of expected) assert.deepEqual(found.get(path), node, path);

  const again = await backup(repository, source, theirs);
  assert.equal(again.tree, ours.tree, "an incremental on restic's snapshot gives another tree");
});

test('what restic backed up, Salvor restores, equal to the source', async (t) => {
  const { source, folder, restic, open: openIt } = await world(t);
  await makeSource(source);
  restic('init');
  restic('backup', source);
  await using repository = await openIt();
  const tree = await newestTree(repository, source);
  const target = await folder('restored-by-salvor');
  const { issues } = await restoreTree({ source: repository, tree, target, signal, existing: 'refuse' });
  assert.deepEqual(issues, []);
  assertSameTree(source, target);
  const { differences } = await verifyTree({ source: repository, tree, target, signal });
  assert.deepEqual(differences, []);
});

test('sockets and attributes of links, which restic does not restore, do not keep it from all else', async (t) => {
  const { source, repositoryPath, folder, restic, open: openIt } = await world(t);
  makeNode(Buffer.from(join(source, 'socket')), 'socket', 0n);
  symlinkSync('file', join(source, 'link'));
  writeXattr(Buffer.from(join(source, 'link')), { name: 'trusted.note', value: Buffer.from('on a link') });
  writeFileSync(join(source, 'file'), 'content');
  await (await createRepository(await openDiskStore(repositoryPath), { password }))[Symbol.asyncDispose]();
  await using repository = await openIt();
  await snapshot(repository, (await backup(repository, source)).tree);
  const target = await folder('restored-by-restic');
  restic('restore', 'latest', '--target', target);
  assert.deepEqual(readdirSync(target).sort(), ['file', 'link']);
  assert.match(restic('check', '--read-data'), /no errors were found/);
});

test('what Salvor backed up, Salvor restores, sockets and link targets of any bytes included, and finds every lost bit of metadata', async (t) => {
  const { source, repositoryPath, folder, open: openIt } = await world(t);
  await makeSource(source);
  makeNode(Buffer.from(join(source, 'app/socket')), 'socket', 0n);
  symlinkSync(Buffer.from([0xff, 0xfe]), join(source, 'app/link-to-bytes'));
  await (await createRepository(await openDiskStore(repositoryPath), { password }))[Symbol.asyncDispose]();
  await using repository = await openIt();
  const { tree, node } = await backup(repository, source);
  const target = await folder('restored');
  const common = { source: repository, tree, target, node, signal };
  const restored = await restoreTree({ ...common, existing: 'refuse' });
  assert.deepEqual(restored.issues, []);
  assertSameTree(source, target);
  const sizes = execFileSync('du', ['-s', '--block-size=1', source, target], { encoding: 'utf8' });
  const [before, after] = sizes.split('\n').map((line) => Number.parseInt(line, 10));
  assert.ok(after! <= before!, `the restored tree takes more space: ${sizes}`);

  const verify = () => verifyTree(common);
  assert.deepEqual((await verify()).differences, []);
  execFileSync('setcap', ['-r', join(target, 'app/capable')]);
  execFileSync('setfacl', ['-b', join(target, 'app/data')]);
  chownSync(join(target, 'app/small'), 1, 1);
  await rm(join(target, 'app/null'));
  makeNode(Buffer.from(join(target, 'app/null')), 'chardev', 0x105n);
  const found = new Set((await verify()).differences.map(({ path, what }) => `${path} ${what}`));
  for (const one of ['app/capable xattr', 'app/data xattr', 'app/small owner', 'app/null device']) {
    assert.ok(found.has(one), `${one} is missing in ${[...found].join(', ')}`);
  }
});
