import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  appendFile,
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { BlobId, TreeNode } from '#repository/types';
import { backupTree, type BackupTreeOptions, type BackupTreeResult } from './backup-tree.ts';
import { chunkBytesMin } from './chunker.ts';
import { byBytes } from '../names.ts';
import { writeXattr } from '../posix/xattrs.ts';
import { createMemoryBlobs, testPolynomial, type MemoryBlobs } from '../testing.ts';

const MiB = 1024 * 1024;
/** True with CAP_DAC_OVERRIDE, as root usually has it: then no file is unreadable. */
const readsAnything = (() => {
  const path = join(mkdtempSync(join(tmpdir(), 'salvor-probe-')), 'closed');
  writeFileSync(path, '', { mode: 0o000 });
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dirname(path), { recursive: true });
  }
})();

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'salvor-backup-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function backup(root: string, blobs: MemoryBlobs, more: Partial<BackupTreeOptions> = {}): Promise<BackupTreeResult> {
  const { signal } = new AbortController();
  return backupTree({ root, sink: blobs, chunkerPolynomial: testPolynomial, signal, ...more });
}

async function entries(blobs: MemoryBlobs, tree: BlobId): Promise<Map<string, TreeNode>> {
  const nodes = await blobs.loadTree(tree);
  return new Map(nodes.map((node) => [node.name.toString('latin1'), node]));
}

async function contentOf(blobs: MemoryBlobs, node: TreeNode | undefined): Promise<Buffer> {
  return Buffer.concat(await Promise.all((node?.content ?? []).map((id) => blobs.loadBlob('data', id))));
}

test('files, directories, symlinks and FIFOs are captured with their metadata, and the ledger is complete', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'sub'));
  await writeFile(join(root, 'sub', 'file'), 'hello');
  await chmod(join(root, 'sub', 'file'), 0o4751);
  await utimes(join(root, 'sub', 'file'), 1_000_000.5, 2_000_000.25);
  await symlink('../over there', join(root, 'link'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
  await writeFile(join(root, 'empty'), '');
  const blobs = createMemoryBlobs();

  const result = await backup(root, blobs);

  assert.deepEqual(result.ledger, { plannedItems: 5, plannedBytes: 5, capturedItems: 5, capturedBytes: 5 });
  assert.deepEqual(result.planned.itemsByType, { dir: 1, file: 2, symlink: 1, fifo: 1 });
  assert.deepEqual(result.issues, []);
  assert.equal(result.newBytes, 5);
  const top = await entries(blobs, result.tree);
  assert.deepEqual([...top.keys()], ['empty', 'link', 'pipe', 'sub']);
  assert.equal(top.get('link')?.linkTarget?.toString(), '../over there');
  assert.equal(top.get('pipe')?.type, 'fifo');
  assert.deepEqual(top.get('empty')?.content, []);
  const file = (await entries(blobs, top.get('sub')!.subtree!)).get('file')!;
  const stats = await lstat(join(root, 'sub', 'file'), { bigint: true });
  assert.equal(file.mode, 0o4751);
  assert.equal(file.mtimeNs, 2_000_000_250_000_000n);
  assert.equal(file.ctimeNs, stats.ctimeNs);
  assert.equal(file.inode, stats.ino);
  assert.equal(file.size, 5);
  assert.equal((await contentOf(blobs, file)).toString(), 'hello');
  assert.equal(result.node.subtree, result.tree);
  assert.equal(result.node.type, 'dir');
});

test('names and link targets that are not UTF-8 are kept byte for byte', async (t) => {
  const root = await folder(t);
  const name = Buffer.from([0x66, 0xff, 0x80, 0x0a]);
  await writeFile(Buffer.concat([Buffer.from(`${root}/`), name]), 'x');
  await symlink(Buffer.from([0xfe, 0x2f, 0xfd]), join(root, 'link'));
  const blobs = createMemoryBlobs();
  const { tree, issues } = await backup(root, blobs);
  assert.deepEqual(issues, []);
  const nodes = await blobs.loadTree(tree);
  assert.deepEqual(nodes.map((node) => node.name).sort(byBytes), [name, Buffer.from('link')].sort(byBytes));
  assert.deepEqual(nodes.find((node) => node.type === 'symlink')?.linkTarget, Buffer.from([0xfe, 0x2f, 0xfd]));
});

test('hard links are read once and every name has the content', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'd'));
  await writeFile(join(root, 'a'), 'shared');
  await link(join(root, 'a'), join(root, 'b'));
  await link(join(root, 'a'), join(root, 'd', 'c'));
  const blobs = createMemoryBlobs();
  const result = await backup(root, blobs);
  assert.equal(blobs.dataSaves(), 1);
  assert.deepEqual(result.ledger, { plannedItems: 4, plannedBytes: 18, capturedItems: 4, capturedBytes: 18 });
  const top = await entries(blobs, result.tree);
  const inner = await entries(blobs, top.get('d')!.subtree!);
  const names = [top.get('a')!, top.get('b')!, inner.get('c')!];
  for (const node of names) {
    assert.equal(node.links, 3);
    assert.equal(node.inode, names[0]!.inode);
    assert.notEqual(node.deviceId, 0n);
    assert.deepEqual(node.content, names[0]!.content);
  }
});

test('a sparse file is zero blobs, its holes are not read, and its data is in place', async (t) => {
  const root = await folder(t);
  const file = await open(join(root, 'sparse'), 'w');
  await file.write(Buffer.from('begin'), 0, 5, 0);
  await file.write(Buffer.from('middle'), 0, 6, 40 * MiB + 1000);
  await file.truncate(100 * MiB + 1);
  await file.close();
  const blobs = createMemoryBlobs();
  const result = await backup(root, blobs);
  const node = (await entries(blobs, result.tree)).get('sparse')!;
  assert.equal(node.size, 100 * MiB + 1);
  assert.ok(blobs.dataSaves() < 20, `${blobs.dataSaves()} blobs were hashed`);
  const content = await contentOf(blobs, node);
  const expected = Buffer.alloc(100 * MiB + 1);
  expected.write('begin', 0);
  expected.write('middle', 40 * MiB + 1000);
  assert.ok(content.equals(expected));
});

test('the zeros of a hole and zeros that were written give the same blobs', async (t) => {
  const root = await folder(t);
  const size = 5 * MiB + 77;
  const hole = await open(join(root, 'hole'), 'w');
  await hole.write(Buffer.from('x'), 0, 1, 700_000);
  await hole.truncate(size);
  await hole.close();
  const written = Buffer.alloc(size);
  written.write('x', 700_000);
  await writeFile(join(root, 'written'), written);
  const blobs = createMemoryBlobs();
  const nodes = await entries(blobs, (await backup(root, blobs)).tree);
  assert.deepEqual(nodes.get('hole')?.content, nodes.get('written')?.content);
  assert.equal(nodes.get('hole')?.content?.filter((id) => id === nodes.get('hole')?.content?.[2]).length, 9);
  assert.ok(nodes.get('hole')!.content!.length > size / MiB);
  assert.ok(chunkBytesMin * nodes.get('hole')!.content!.length >= size);
});

test('extended attributes are captured, also those of directories', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'd'));
  writeXattr(Buffer.from(join(root, 'd')), { name: 'user.b', value: Buffer.from([0, 255]) });
  writeXattr(Buffer.from(join(root, 'd')), { name: 'user.a', value: Buffer.alloc(0) });
  const blobs = createMemoryBlobs();
  const nodes = await entries(blobs, (await backup(root, blobs)).tree);
  assert.deepEqual(nodes.get('d')?.xattrs, [
    { name: 'user.a', value: Buffer.alloc(0) },
    { name: 'user.b', value: Buffer.from([0, 255]) },
  ]);
});

test('an unchanged file is taken from the backup before without reading it', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'd'));
  await writeFile(join(root, 'd', 'same'), 'same');
  await writeFile(join(root, 'd', 'other'), 'before');
  const blobs = createMemoryBlobs();
  const first = await backup(root, blobs);
  await writeFile(join(root, 'd', 'other'), 'after!');
  const saves = blobs.dataSaves();
  const second = await backup(root, blobs, { parent: { source: blobs, tree: first.tree } });
  assert.equal(blobs.dataSaves() - saves, 1);
  assert.deepEqual(second.ledger, first.ledger);
  const nodes = await entries(blobs, (await entries(blobs, second.tree)).get('d')!.subtree!);
  assert.equal((await contentOf(blobs, nodes.get('other'))).toString(), 'after!');
  assert.equal((await contentOf(blobs, nodes.get('same'))).toString(), 'same');
});

test('a file whose old blobs are gone from the repository is read again', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'f'), 'content');
  const blobs = createMemoryBlobs();
  const first = await backup(root, blobs);
  for (const key of blobs.blobs.keys()) if (key.startsWith('data:')) blobs.blobs.delete(key);
  const second = await backup(root, blobs, { parent: { source: blobs, tree: first.tree } });
  assert.equal((await contentOf(blobs, (await entries(blobs, second.tree)).get('f'))).toString(), 'content');
});

test('a parent that cannot be read only means that everything is read', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'f'), 'content');
  const blobs = createMemoryBlobs();
  const parent = { source: blobs, tree: '0'.repeat(64) as BlobId };
  const result = await backup(root, blobs, { parent });
  assert.deepEqual(result.issues, []);
  assert.equal(result.ledger.capturedItems, 1);
});

test('a file that vanishes after it was counted is an issue or missing in the ledger, never silent', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'stays'), 'a');
  await writeFile(join(root, 'vanishes'), 'bb');
  const blobs = createMemoryBlobs();
  let scanned = false;
  const sink = { ...blobs };
  const result = await backup(root, blobs, {
    sink,
    onProgress: ({ phase }) => {
      if (phase !== 'scan' || scanned) return;
      scanned = true;
      execFileSync('rm', [join(root, 'vanishes')]);
    },
  });
  assert.deepEqual(result.ledger, { plannedItems: 2, plannedBytes: 3, capturedItems: 1, capturedBytes: 1 });
});

test('a file that is written while it is read is an issue and not in the ledger', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'large'), Buffer.alloc(3 * MiB, 1));
  const blobs = createMemoryBlobs();
  let written = false;
  const result = await backup(root, blobs, {
    sink: {
      ...blobs,
      saveBlob: async (type, bytes) => {
        if (!written) await appendFile(join(root, 'large'), 'more');
        written = true;
        return blobs.saveBlob(type, bytes);
      },
    },
  });
  assert.deepEqual(
    result.issues.map(({ path, code }) => ({ path, code })),
    [{ path: 'large', code: 'ChangedWhileRead' }],
  );
  assert.deepEqual(result.ledger, { plannedItems: 1, plannedBytes: 3 * MiB, capturedItems: 0, capturedBytes: 0 });
});

test('a file that is cut while it is read is an issue, and what is kept is what was read', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'large'), Buffer.alloc(20 * MiB, 1));
  const blobs = createMemoryBlobs();
  const result = await backup(root, blobs, {
    sink: {
      ...blobs,
      saveBlob: async (type, bytes) => {
        await (await open(join(root, 'large'), constants.O_WRONLY | constants.O_TRUNC)).close();
        return blobs.saveBlob(type, bytes);
      },
    },
  });
  assert.equal(result.issues[0]?.code, 'ChangedWhileRead');
  const node = (await entries(blobs, result.tree)).get('large')!;
  assert.equal((await contentOf(blobs, node)).length, node.size);
  assert.ok(result.ledger.capturedBytes < result.ledger.plannedBytes);
});

test('a directory swapped for a symlink is not followed out of the tree', async (t) => {
  const root = await folder(t);
  const outside = await folder(t);
  await writeFile(join(outside, 'secret'), 'secret');
  await mkdir(join(root, 'd'));
  await writeFile(join(root, 'd', 'inside'), 'inside');
  await writeFile(join(root, 'e'), 'first');
  const blobs = createMemoryBlobs();
  const result = await backup(root, blobs, {
    sink: {
      ...blobs,
      // The file `e` is saved after the entries were looked at and before the directory is opened.
      saveBlob: async (type, bytes) => {
        if (Buffer.from(bytes).toString() === 'first') {
          await rename(join(root, 'd'), join(outside, 'moved'));
          await symlink(outside, join(root, 'd'));
        }
        return blobs.saveBlob(type, bytes);
      },
    },
  });
  assert.ok(![...blobs.blobs.values()].some((bytes) => bytes.toString() === 'secret'));
  assert.ok(result.issues.some(({ path, code }) => path === 'd' && (code === 'ENOTDIR' || code === 'ELOOP')));
  assert.ok(result.ledger.capturedItems < result.ledger.plannedItems);
});

test(
  'an unreadable file is an issue and makes the ledger short',
  { skip: readsAnything && 'this user may read everything' },
  async (t) => {
    const root = await folder(t);
    await writeFile(join(root, 'closed'), 'x', { mode: 0o000 });
    const result = await backup(root, createMemoryBlobs());
    assert.deepEqual(
      result.issues.map(({ path, code }) => ({ path, code })),
      [{ path: 'closed', code: 'EACCES' }],
    );
    assert.deepEqual(result.ledger, { plannedItems: 1, plannedBytes: 1, capturedItems: 0, capturedBytes: 0 });
  },
);

test('excluded paths are neither planned nor captured, and reported with their reason', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'cache'));
  await writeFile(join(root, 'cache', 'x'), 'x');
  await writeFile(join(root, 'kept'), 'kept');
  const exclude = [{ path: 'cache', reason: 'regenerable' }];
  const result = await backup(root, createMemoryBlobs(), { exclude });
  assert.deepEqual(result.skipped, exclude);
  assert.deepEqual(result.ledger, { plannedItems: 1, plannedBytes: 4, capturedItems: 1, capturedBytes: 4 });
});

test('an empty directory called lost+found is skipped only on the root of an ext file system', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'lost+found'));
  const result = await backup(root, createMemoryBlobs());
  assert.deepEqual(result.skipped, []);
  assert.equal(result.ledger.capturedItems, 1);
});

test('a repository that fails ends the run with its own error, not with unreadable files', async (t) => {
  const root = await folder(t);
  for (let i = 0; i < 20; i++) await writeFile(join(root, `f${i}`), String(i));
  const blobs = createMemoryBlobs();
  const full = new SalvorError('The store is full', { code: 'StoreFull' });
  const noSpace = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
  for (const error of [full, noSpace]) {
    const sink = { ...blobs, saveBlob: async () => Promise.reject(error) };
    await assert.rejects(backup(root, blobs, { sink }), error);
  }
});

test('an aborted run stops', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'f'), 'x');
  const reason = new Error('stop');
  await assert.rejects(backup(root, createMemoryBlobs(), { signal: AbortSignal.abort(reason) }), reason);
});

test('a root that is not there is SourceUnreadable', async (t) => {
  const root = await folder(t);
  await unlink(join(root, 'none')).catch(() => undefined);
  await assert.rejects(backup(join(root, 'none'), createMemoryBlobs()), { code: 'SourceUnreadable' });
});

test('progress counts up to the ledger', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'large'), Buffer.alloc(3 * MiB, 5));
  await writeFile(join(root, 'small'), 'x');
  const seen: number[] = [];
  await backup(root, createMemoryBlobs(), {
    onProgress: ({ phase, bytes, plannedBytes }) => {
      if (phase === 'backup') seen.push(bytes);
      assert.equal(plannedBytes, phase === 'backup' ? 3 * MiB + 1 : undefined);
    },
  });
  assert.equal(seen.at(-1), 3 * MiB + 1);
  assert.ok(seen.length > 2);
});
