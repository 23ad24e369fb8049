import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createTestRepository } from '#repository/fixtures';
import { blobId } from '#repository/ids';
import { packKey } from '#repository/pack';
import type { BlobId, Repository, TreeNode } from '#repository/types';
import { createMemoryStore, type MemoryStore } from '#stores/memory/memory-store';
import { backupTree } from '../backup/backup-tree.ts';
import { writeXattr } from '../posix/xattrs.ts';
import { restoreTree, type RestoreTreeOptions } from './restore-tree.ts';
import { verifyTree, type VerifyTreeResult } from './verify-tree.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'salvor-restore-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A real repository, in memory; tests damage its packs in the store. */
interface Blobs extends Repository {
  readonly store: MemoryStore;
}

async function createBlobs(): Promise<Blobs> {
  const store = createMemoryStore();
  return { ...(await createTestRepository(store)), store };
}

async function backup(root: string, blobs: Blobs): Promise<{ tree: BlobId; node: TreeNode }> {
  const result = await backupTree({ root, sink: blobs, chunkerPolynomial: blobs.chunkerPolynomial, signal });
  assert.deepEqual(result.issues, []);
  await blobs.flush();
  return result;
}

function restore(source: Blobs, tree: BlobId, target: string, more: Partial<RestoreTreeOptions> = {}) {
  return restoreTree({ source, tree, target, signal, existing: 'refuse', ...more });
}

function verify(source: Blobs, tree: BlobId, target: string, node?: TreeNode): Promise<VerifyTreeResult> {
  const root = node === undefined ? {} : { node };
  return verifyTree({ source, tree, target, signal, ...root });
}

/** What a hostile repository may hold: any node, also ones that `encodeTree` would refuse. */
async function hostile(nodes: readonly Partial<TreeNode>[], known?: Blobs): Promise<{ blobs: Blobs; tree: BlobId }> {
  const blobs = known ?? (await createBlobs());
  await blobs.flush();
  const base = { mode: 0o700, mtimeNs: 0n, atimeNs: 0n, ctimeNs: 0n, inode: 0n, deviceId: 0n };
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const whole = nodes.map((node) => ({ name: Buffer.from('x'), type: 'file' as const, ...base, ...owner, ...node }));
  const loadTree = async (id: BlobId): Promise<TreeNode[]> => (id === tree ? whole : []);
  return { blobs: { ...blobs, loadTree }, tree };
}
const tree = 'f0'.repeat(32) as BlobId;

/** A tree of everything that can be made without root. */
async function makeSource(root: string): Promise<void> {
  await mkdir(join(root, 'sub', 'deep'), { recursive: true });
  await writeFile(join(root, 'sub', 'file'), 'hello');
  await chmod(join(root, 'sub', 'file'), 0o640);
  await link(join(root, 'sub', 'file'), join(root, 'sub', 'deep', 'second name'));
  await writeFile(join(root, 'large'), Buffer.concat([Buffer.alloc(3 * MiB, 'abcdefg'), Buffer.alloc(MiB)]));
  const sparse = await open(join(root, 'sparse'), 'w');
  await sparse.write('end', 30 * MiB);
  await sparse.truncate(40 * MiB);
  await sparse.close();
  await symlink(Buffer.from([0xff, 0x2f, 0x2e, 0x2e]), join(root, 'link'));
  await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9, 0xff])]), 'not utf-8');
  await writeFile(join(root, 'ünïcödé ☃'), '');
  execFileSync('mkfifo', ['-m', '604', join(root, 'pipe')]);
  writeXattr(Buffer.from(join(root, 'sub')), { name: 'user.note', value: Buffer.from([1, 0, 255]) });
  await chmod(join(root, 'sub', 'deep'), 0o2551);
  for (const path of ['sub/deep', 'sub', 'large', '.']) await utimes(join(root, path), 1.5, -86_400.25);
}

test('a restored tree equals its source, in content and metadata', async (t) => {
  const [source, target] = [await folder(t), await folder(t)];
  await makeSource(source);
  const blobs = await createBlobs();
  const { tree: saved, node } = await backup(source, blobs);

  const result = await restore(blobs, saved, target, { node });

  assert.deepEqual(result.issues, []);
  assert.equal(result.items, 10);
  for (const path of ['.', 'sub', 'sub/deep', 'sub/file', 'large', 'sparse', 'link', 'pipe', 'ünïcödé ☃']) {
    const [before, after] = await Promise.all(
      [source, target].map((root) => lstat(join(root, path), { bigint: true })),
    );
    assert.equal(after!.mode, before!.mode, path);
    assert.equal(after!.mtimeNs, before!.mtimeNs, path);
    assert.equal(after!.size, before!.size, path);
  }
  assert.ok((await readFile(join(target, 'large'))).equals(await readFile(join(source, 'large'))));
  assert.equal((await stat(join(target, 'sub/file'))).ino, (await stat(join(target, 'sub/deep/second name'))).ino);
  const sparse = await stat(join(target, 'sparse'));
  assert.ok(sparse.blocks * 512 <= 64 * 1024, `the sparse file takes ${sparse.blocks} blocks`);
  assert.deepEqual((await readFile(join(target, 'sparse'))).subarray(30 * MiB, 30 * MiB + 3).toString(), 'end');
  assert.deepEqual(await backup(target, blobs).then((again) => again.node.mtimeNs), node.mtimeNs);

  const verified = await verify(blobs, saved, target, node);
  assert.deepEqual(verified.differences, []);
  assert.equal(verified.items, 10);
  assert.equal(verified.bytes, result.bytes);
});

test('every kind of damage to a restored tree is found', async (t) => {
  const [source, target] = [await folder(t), await folder(t)];
  await makeSource(source);
  const blobs = await createBlobs();
  const { tree: saved, node } = await backup(source, blobs);
  await restore(blobs, saved, target, { node });
  const at = (path: string): string => join(target, path);
  const times = async (path: string, work: () => Promise<void>): Promise<void> => {
    const { mtimeNs } = await lstat(at(path), { bigint: true });
    await work();
    await utimes(at(path), 1.5, Number(mtimeNs) / 1e9);
  };

  await times('large', async () => {
    const file = await open(at('large'), 'r+');
    await file.write(Buffer.from('X'), 0, 1, 2 * MiB + 5);
    await file.close();
  });
  await chmod(at('ünïcödé ☃'), 0o600);
  await utimes(at('sparse'), 1, 1);
  await unlink(at('link'));
  await symlink('elsewhere', at('link'));
  await unlink(at('pipe'));
  await writeFile(at('pipe'), '');
  await writeFile(at('sub/extra'), '');
  await unlink(at('sub/deep/second name'));
  await writeFile(at('sub/deep/second name'), 'hello');
  writeXattr(Buffer.from(at('sub')), { name: 'user.note', value: Buffer.from([2]) });

  const { differences, differencesTotal } = await verify(blobs, saved, target);
  const found = differences.map(({ path, what }) => `${path}: ${what}`);
  const expected = [
    'large: content',
    'ünïcödé ☃: mode',
    'sparse: mtime',
    'link: linkTarget',
    'pipe: type',
    'sub/extra: existence',
    'sub/deep/second name: hardLinks',
    'sub: xattr',
  ];
  for (const one of expected) assert.ok(found.includes(one), `${one} is missing in ${found.join(', ')}`);
  assert.equal(differencesTotal, differences.length);
  assert.match(differences.find(({ what }) => what === 'content')!.found, new RegExp(`from ${2 * MiB + 5} on`));
});

test('verification accepts the same bytes cut into other blobs', async (t) => {
  const target = await folder(t);
  await writeFile(join(target, 'f'), 'abcdef');
  const blobs = await createBlobs();
  const parts = await Promise.all(['abc', 'def'].map((part) => blobs.saveBlob('data', Buffer.from(part))));
  const stats = await lstat(join(target, 'f'), { bigint: true });
  const node = { name: Buffer.from('f'), size: 6, content: parts.map(({ id }) => id), mtimeNs: stats.mtimeNs };
  const cut = await hostile([{ ...node, mode: Number(stats.mode & 0o777n) }], blobs);
  const { differences } = await verify(cut.blobs, cut.tree, target);
  assert.deepEqual(differences, []);
});

test('names that lead out of their directory are refused, and the rest is restored', async (t) => {
  const parent = await folder(t);
  const target = join(parent, 'target');
  await mkdir(target);
  const names = ['../escaped', '/tmp/salvor-escaped', '..', '.', '', 'a/b', 'nul\0', 'n'.repeat(256)];
  const { blobs, tree: bad } = await hostile([
    ...names.map((name) => ({ name: Buffer.from(name), size: 0, content: [] })),
    ...names.map((name) => ({ name: Buffer.from(name), type: 'dir' as const, subtree: 'e'.repeat(64) as BlobId })),
    { name: Buffer.from('good'), size: 0, content: [] },
  ]);
  const { issues } = await restore(blobs, bad, target);
  assert.deepEqual(await readdir(parent), ['target']);
  assert.deepEqual(await readdir(target), ['good']);
  assert.deepEqual(new Set(issues.map(({ code }) => code)), new Set(['UnsafeName']));
  assert.equal(issues.length, 2 * names.length);
});

test('a symlink of the tree is never followed out of the target', async (t) => {
  const [outside, target] = [await folder(t), await folder(t)];
  await writeFile(join(outside, 'victim'), 'untouched', { mode: 0o600 });
  const inner = 'e1'.repeat(32) as BlobId;
  const name = Buffer.from('x');
  const { blobs, tree: bad } = await hostile([
    { name, type: 'symlink', linkTarget: Buffer.from(outside) },
    { name, type: 'dir', subtree: inner, mode: 0o777 },
    { name: Buffer.from('y'), type: 'symlink', linkTarget: Buffer.from(join(outside, 'victim')) },
    { name: Buffer.from('y'), type: 'file', size: 0, content: [], mode: 0o777 },
  ]);
  const payload = { ...(await blobs.loadTree(bad))[3]!, name: Buffer.from('payload') };
  const loadTree = async (id: BlobId): Promise<TreeNode[]> => (id === inner ? [payload] : blobs.loadTree(id));
  const { issues } = await restore({ ...blobs, loadTree }, bad, target);
  assert.deepEqual(await readdir(outside), ['victim']);
  assert.equal(await readFile(join(outside, 'victim'), 'utf8'), 'untouched');
  assert.equal((await stat(join(outside, 'victim'))).mode & 0o777, 0o600);
  assert.equal((await stat(outside)).mode & 0o777, 0o700);
  assert.deepEqual(issues.map(({ path, code }) => `${path} ${code}`).sort(), ['x EEXIST', 'y EEXIST']);
});

test('a directory swapped for a symlink during the restore receives nothing', async (t) => {
  const [outside, target] = [await folder(t), await folder(t)];
  const inner = 'e1'.repeat(32) as BlobId;
  const { blobs, tree: top } = await hostile([{ name: Buffer.from('d'), type: 'dir', subtree: inner }]);
  const file = { ...(await blobs.loadTree(top))[0]!, type: 'file' as const, size: 0, content: [] };
  const loadTree = async (id: BlobId): Promise<TreeNode[]> => {
    if (id !== inner) return blobs.loadTree(id);
    // The directory is open by now.
    execFileSync('mv', [join(target, 'd'), join(target, 'moved')]);
    await symlink(outside, join(target, 'd'));
    return [file];
  };
  await restore({ ...blobs, loadTree }, top, target);
  assert.deepEqual(await readdir(outside), []);
  assert.deepEqual(await readdir(join(target, 'moved')), ['d']);
});

test('files that pretend to be hard links of each other keep their own content', async (t) => {
  const target = await folder(t);
  const blobs = await createBlobs();
  const [one, two] = await Promise.all(['one', 'two'].map((part) => blobs.saveBlob('data', Buffer.from(part))));
  const same = { inode: 7n, deviceId: 1n, links: 2, size: 3 };
  const bad = await hostile(
    [
      { ...same, name: Buffer.from('a'), content: [one!.id] },
      { ...same, name: Buffer.from('b'), content: [two!.id] },
    ],
    blobs,
  );
  await restore(bad.blobs, bad.tree, target);
  assert.equal(await readFile(join(target, 'a'), 'utf8'), 'one');
  assert.equal(await readFile(join(target, 'b'), 'utf8'), 'two');
});

test('content of another length than the tree says is damage, and is not written past the declared size', async (t) => {
  const target = await folder(t);
  const blobs = await createBlobs();
  const { id } = await blobs.saveBlob('data', Buffer.from('four'));
  const bad = await hostile(
    [
      { name: Buffer.from('long'), size: 3, content: [id] },
      { name: Buffer.from('short'), size: 5, content: [id] },
    ],
    blobs,
  );
  const { issues } = await restore(bad.blobs, bad.tree, target);
  assert.deepEqual(issues.map(({ path, code }) => `${path} ${code}`).sort(), [
    'long RepositoryCorrupt',
    'short RepositoryCorrupt',
  ]);
  assert.deepEqual(await readdir(target), []);
});

test('a damaged blob is an issue of its file; the others are restored, and verification tells', async (t) => {
  const [source, target] = [await folder(t), await folder(t)];
  await writeFile(join(source, 'bad'), 'bad');
  await writeFile(join(source, 'good'), 'good');
  const blobs = await createBlobs();
  const { tree: saved } = await backup(source, blobs);
  const place = blobs.findBlob('data', blobId(Buffer.from('bad')))!;
  blobs.store.objects.get(packKey(place.packId))![place.offset + 20]! ^= 1;
  const { issues } = await restore(blobs, saved, target);
  assert.deepEqual(
    issues.map(({ path, code }) => `${path} ${code}`),
    ['bad RepositoryCorrupt'],
  );
  assert.equal(await readFile(join(target, 'good'), 'utf8'), 'good');
});

test('a target that is not empty is refused and left as it is', async (t) => {
  const target = await folder(t);
  await writeFile(join(target, 'mine'), 'mine');
  const { blobs, tree: top } = await hostile([{ name: Buffer.from('new'), size: 0, content: [] }]);
  await assert.rejects(restore(blobs, top, target), { code: 'TargetExists' });
  assert.deepEqual(await readdir(target), ['mine']);
});

test('the lost+found of a new file system does not make it occupied, and takes a captured one', async (t) => {
  const [source, target] = [await folder(t), await folder(t)];
  await mkdir(join(target, 'lost+found'));
  const blobs = await createBlobs();
  const empty = await backup(source, blobs);
  await restore(blobs, empty.tree, target);
  assert.deepEqual((await verify(blobs, empty.tree, target)).differences, []);

  await mkdir(join(source, 'lost+found'));
  await writeFile(join(source, 'lost+found', '#12'), 'found');
  const full = await backup(source, blobs);
  assert.deepEqual((await restore(blobs, full.tree, target)).issues, []);
  assert.deepEqual((await verify(blobs, full.tree, target)).differences, []);
  await assert.rejects(restore(blobs, full.tree, target), { code: 'TargetExists' });
});

test('a target that is missing is RestoreFailed', async (t) => {
  const { blobs, tree: top } = await hostile([]);
  await assert.rejects(restore(blobs, top, join(await folder(t), 'none')), { code: 'RestoreFailed' });
});

test('an aborted restore stops with its reason', async (t) => {
  const [source, target] = [await folder(t), await folder(t)];
  for (let i = 0; i < 20; i++) await writeFile(join(source, `f${i}`), randomBytes(400 * 1024));
  const blobs = await createBlobs();
  const { tree: saved } = await backup(source, blobs);
  const stop = new AbortController();
  const reason = new Error('stop');
  const restored = restore(blobs, saved, target, { signal: stop.signal, onProgress: () => stop.abort(reason) });
  await assert.rejects(restored, reason);
  assert.ok((await readdir(target)).length < 20);
});
