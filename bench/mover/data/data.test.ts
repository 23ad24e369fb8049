import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { hash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { makeSmallFiles } from './files.ts';
import { makeImage } from './image.ts';
import { createPages } from './pages.ts';
import { createRandom } from './random.ts';

const MiB = 1024 * 1024;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'salvor-data-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a seed gives the same numbers and bytes again, and another one gives others', () => {
  const draw = (seed: string) => {
    const random = createRandom(seed);
    const bytes = Buffer.alloc(64);
    random.fill(bytes);
    return [random.below(1000), random.below(2 ** 32), bytes.toString('hex')];
  };
  assert.deepEqual(draw('a'), draw('a'));
  assert.notDeepEqual(draw('a'), draw('b'));
});

test('tables compress as those of a database do, random bytes do not', () => {
  const random = createRandom('ratio');
  const pages = createPages(random);
  const region = Buffer.alloc(4 * MiB);
  let compressed = 0;
  const count = 20;
  for (let index = 0; index < count; index++) {
    pages.fillTable(region);
    compressed += zstdCompressSync(region).length;
  }
  const ratio = (count * region.length) / compressed;
  assert.ok(ratio > 3.3 && ratio < 4.5, `the ratio is ${ratio}`);
  random.fill(region);
  assert.ok(zstdCompressSync(region).length >= region.length);
});

test('an image has holes, is the same on every machine, and tells what a round wrote to it', async (t) => {
  const source = await makeImage(await folder(t), 32 * MiB);
  const image = source.image as string;
  const { size, blocks } = await stat(image);
  assert.equal(size, 32 * MiB);
  assert.ok(blocks * 512 <= 24 * MiB + MiB);
  const before = await readFile(image);
  assert.equal(hash('sha256', before), '62381f0d6ef93f9044405df1793453472c4f74d8c1bd723ada9f1f35b34fe68f');
  const extents = await source.change(0);
  const after = await readFile(image);
  for (const { offset, length } of extents) {
    assert.ok(!after.subarray(offset, offset + length).equals(before.subarray(offset, offset + length)));
    after.copy(before, offset, offset, offset + length);
  }
  assert.ok(before.equals(after), 'something else was written, too');
});

test('a round gives one small file of a hundred new content', async (t) => {
  const path = await folder(t);
  const source = await makeSmallFiles(path, 100);
  const contents = () =>
    Promise.all(
      Array.from({ length: 100 }, (_, name) => readFile(join(path, 'group-0', 'folder-0', `file-${name}.dat`))),
    );
  const before = await contents();
  await source.change(0);
  const after = await contents();
  assert.equal(after.filter((content, name) => !content.equals(before[name] as Buffer)).length, 1);
});
