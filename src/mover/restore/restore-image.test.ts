import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createTestRepository, node } from '#repository/fixtures';
import { packKey } from '#repository/pack';
import type { BlobId, Repository } from '#repository/types';
import { createMemoryStore, type MemoryStore } from '#stores/memory/memory-store';
import { restoreImage, type RestoreImageOptions } from './restore-image.ts';
import { verifyImage } from './verify-image.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

interface World {
  readonly repository: Repository;
  readonly store: MemoryStore;
  readonly target: string;
  readonly folder: string;
  /** What the image holds. */
  readonly bytes: Buffer;
  readonly image: { readonly tree: BlobId };
  readonly segments: readonly (readonly BlobId[])[];
}

/** An image of two segments, in blocks of 1 MiB: data, zeros, data that repeats. */
async function world(t: TestContext): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-image-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const store = createMemoryStore();
  const repository = await createTestRepository(store);
  const [one, two] = [randomBytes(MiB), Buffer.concat([randomBytes(300 * 1024), Buffer.alloc(724 * 1024)])];
  const blocks = [
    [one, Buffer.alloc(MiB), two],
    [Buffer.alloc(MiB), one, randomBytes(MiB), randomBytes(1234)],
  ];
  const segments: BlobId[][] = [];
  for (const segment of blocks) {
    const content: BlobId[] = [];
    for (const block of segment) content.push((await repository.saveBlob('data', block)).id);
    segments.push(content);
  }
  const folders = [];
  for (const [index, content] of segments.entries()) {
    const size = blocks[index]!.reduce((sum, block) => sum + block.length, 0);
    const segment = await repository.saveTree([node('segment', { type: 'file', size, content })]);
    folders.push(node(`00${index}`, { type: 'dir', subtree: segment.id }));
  }
  const { id: tree } = await repository.saveTree(folders);
  await repository.flush();
  const bytes = Buffer.concat(blocks.flat());
  return { repository, store, folder, target: join(folder, 'image'), bytes, image: { tree }, segments };
}

function restore({ repository, image, target }: World, more: Partial<RestoreImageOptions> = {}) {
  return restoreImage({ source: repository, image, target, existing: 'refuse', signal, ...more });
}

const verify = ({ repository, image, target }: World) => verifyImage({ source: repository, image, target, signal });

test('the segments of an image are joined into one file, and zeros are holes', async (t) => {
  const place = await world(t);
  const result = await restore(place);
  assert.deepEqual(result.issues, []);
  assert.deepEqual([result.items, result.bytes], [2, place.bytes.length]);
  assert.ok((await readFile(place.target)).equals(place.bytes));
  const { blocks } = await stat(place.target);
  assert.ok(blocks * 512 < 4 * MiB, `the image takes ${blocks * 512} bytes`);
  assert.deepEqual((await verify(place)).differences, []);
});

test('a file that is there already is refused, and left as it is', async (t) => {
  const place = await world(t);
  await writeFile(place.target, 'mine');
  await assert.rejects(restore(place), { code: 'TargetExists' });
  assert.equal(await readFile(place.target, 'utf8'), 'mine');
  await symlink('nothing', join(place.folder, 'link'));
  await assert.rejects(restore(place, { target: join(place.folder, 'link') }), { code: 'RestoreFailed' });
  await assert.rejects(restore(place, { target: join(place.folder, 'none', 'image') }), { code: 'RestoreFailed' });
  assert.deepEqual((await readdir(place.folder)).sort(), ['image', 'link']);
});

test('resuming writes only what differs, and makes holes again', async (t) => {
  const place = await world(t);
  await restore(place);
  const file = await open(place.target, 'r+');
  await file.write('damage', 10);
  await file.write('damage', MiB + 10);
  await file.close();
  const found = await verify(place);
  assert.deepEqual(
    found.differences.map(({ path, what, found: text }) => `${path} ${what} ${text}`),
    [
      '000/segment content others in the 1048576 bytes from 0 on',
      '000/segment content others in the 1048576 bytes from 1048576 on',
    ],
  );
  const read: number[] = [];
  const source = {
    ...place.repository,
    readPack: async (...args: Parameters<Repository['readPack']>) => {
      read.push(args[1].length);
      return place.repository.readPack(...args);
    },
  };
  await restore(place, { existing: 'resume', source });
  assert.ok((await readFile(place.target)).equals(place.bytes));
  assert.equal(read.length, 1);
  assert.ok(read[0]! < 2 * MiB);
  assert.ok((await stat(place.target)).blocks * 512 < 4 * MiB);
});

test('a damaged block is an issue of each of its segments; all other blocks are written', async (t) => {
  const place = await world(t);
  const shared = place.repository.findBlob('data', place.segments[0]![0]!)!;
  place.store.objects.get(packKey(shared.packId))![shared.offset + 30]! ^= 1;
  const { issues } = await restore(place);
  assert.deepEqual(
    issues.map(({ path, code }) => `${path} ${code}`),
    ['000/segment RepositoryCorrupt', '001/segment RepositoryCorrupt'],
  );
  const written = await readFile(place.target);
  assert.ok(written.subarray(MiB, 4 * MiB).equals(place.bytes.subarray(MiB, 4 * MiB)));
  assert.ok(written.subarray(5 * MiB).equals(place.bytes.subarray(5 * MiB)));
});

test('what is no image is refused before anything is made', async (t) => {
  const place = await world(t);
  const { id: tree } = await place.repository.saveTree([node('pipe', { type: 'fifo' })]);
  await place.repository.flush();
  await assert.rejects(restore(place, { image: { tree } }), { code: 'RepositoryCorrupt' });
  assert.deepEqual(await readdir(place.folder), []);
});
