import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { BlobId, PackSource } from '#repository/types';
import { backupImage, type BackupImageOptions, type BackupImageResult } from './backup-image.ts';
import { createCaptureWork } from './capture-job.ts';
import { createCaptureTarget } from './capture-target.ts';
import { readBlocking } from './read-content.ts';
import { createMemoryBlobs, testPolynomial, type MemoryBlobs } from '../testing.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

/** An image of 12.5 MiB: data, a hole, zeros that were written, data up to the end. */
async function makeImage(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-image-'));
  t.after(async () => rm(folder, { recursive: true }));
  const path = join(folder, 'image');
  await using file = await open(path, 'w');
  await file.write(randomBytes(2 * MiB + 7), 0, 2 * MiB + 7, 0);
  await file.write(Buffer.alloc(2 * MiB), 0, 2 * MiB, 8 * MiB);
  await file.write(randomBytes(MiB + 100), 0, MiB + 100, 10 * MiB);
  await file.truncate(12.5 * MiB);
  return path;
}

/** As the threads of a mover do it, in this one; `reads` gets the offsets that were read. */
async function backup(
  path: string,
  blobs: MemoryBlobs,
  more: Partial<BackupImageOptions> = {},
  reads: number[] = [],
): Promise<BackupImageResult> {
  const target = createCaptureTarget({
    chunkerPolynomial: testPolynomial,
    save: async (bytes) => blobs.saveBlob('data', bytes),
    bytesOf: () => undefined,
    readAt: (fd, buffer, position) => {
      reads.push(position);
      return readBlocking(fd, buffer, position);
    },
    signal,
    onBytes: () => undefined,
  });
  const crew = { run: createCaptureWork(target), onBytes: () => undefined };
  return backupImage({ path, sink: blobs, crew, signal, ...more });
}

async function contentOf(blobs: MemoryBlobs, tree: BlobId): Promise<{ ids: readonly BlobId[]; bytes: Buffer }> {
  const [file] = await blobs.loadTree(tree);
  const ids = file?.content ?? [];
  return { ids, bytes: Buffer.concat(await Promise.all(ids.map(async (id) => blobs.loadBlob('data', id)))) };
}

const parentOf = (blobs: MemoryBlobs, tree: BlobId) => ({ source: blobs as unknown as PackSource, tree });

test('an image is a file of blocks; neither holes nor zeros are read or stored twice', async (t) => {
  const path = await makeImage(t);
  const blobs = createMemoryBlobs();
  const reads: number[] = [];
  const { tree, ledger, issues, newBytes } = await backup(path, blobs, {}, reads);
  assert.deepEqual(issues, []);
  const bytes = 12.5 * MiB;
  assert.deepEqual(ledger, { plannedItems: 1, plannedBytes: bytes, capturedItems: 1, capturedBytes: bytes });
  const { ids, bytes: content } = await contentOf(blobs, tree);
  assert.ok(content.equals(await readFile(path)));
  assert.equal(ids.length, 13);
  assert.equal(new Set(ids.slice(3, 10)).size, 1, 'a hole and written zeros are one blob');
  assert.ok(!reads.some((position) => position >= 3 * MiB && position < 8 * MiB), 'the hole was read');
  assert.equal(
    newBytes,
    [...blobs.blobs].reduce((sum, [key, blob]) => sum + (key.startsWith('data') ? blob.length : 0), 0),
  );
});

test('with a list of what changed only that is read, and the rest is taken from the backup before', async (t) => {
  const path = await makeImage(t);
  const blobs = createMemoryBlobs();
  const first = await backup(path, blobs);
  await using file = await open(path, 'r+');
  await file.write('told', MiB + 5);
  await file.write('not told', 10 * MiB + 5);
  const before = (await contentOf(blobs, first.tree)).bytes;
  const reads: number[] = [];
  const changed = async () => [{ offset: MiB + 5, length: 4 }];
  const second = await backup(path, blobs, { parent: parentOf(blobs, first.tree), changed }, reads);
  assert.deepEqual(reads, [MiB]);
  before.write('told', MiB + 5);
  assert.ok((await contentOf(blobs, second.tree)).bytes.equals(before));
  assert.deepEqual(second.ledger, first.ledger);
});

test('a block of the parent that the repository lost, or that has another size, is read', async (t) => {
  const path = await makeImage(t);
  const blobs = createMemoryBlobs();
  const first = await backup(path, blobs);
  const { ids } = await contentOf(blobs, first.tree);
  blobs.blobs.delete(`data:${ids[1]}`);
  await truncate(path, 12.25 * MiB);
  const reads: number[] = [];
  const changed = async () => [];
  const second = await backup(path, blobs, { parent: parentOf(blobs, first.tree), changed }, reads);
  // The last block is shorter now, and a hole.
  assert.deepEqual(reads, [MiB]);
  assert.ok((await contentOf(blobs, second.tree)).bytes.equals(await readFile(path)));
});

test('a parent that cannot be read only means that everything is read', async (t) => {
  const path = await makeImage(t);
  const blobs = createMemoryBlobs();
  const parent = parentOf(blobs, '0'.repeat(64) as BlobId);
  const { tree, issues } = await backup(path, blobs, { parent, changed: async () => [] });
  assert.deepEqual(issues, []);
  assert.ok((await contentOf(blobs, tree)).bytes.equals(await readFile(path)));
});

test('an unchanged image gives the same tree, so an incremental stores no list again', async (t) => {
  const path = await makeImage(t);
  const blobs = createMemoryBlobs();
  assert.equal((await backup(path, blobs)).tree, (await backup(path, blobs)).tree);
});

test('what is neither a file nor a device is refused', async (t) => {
  const path = await makeImage(t);
  await assert.rejects(backup(join(path, '..'), createMemoryBlobs()), { code: 'SourceUnreadable' });
  await assert.rejects(backup(`${path}-gone`, createMemoryBlobs()), { code: 'SourceUnreadable', message: /gone/ });
});
