import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { extract, type Header } from 'tar-stream';
import { adoptLayer, blobPath, imageArchive, pruneBlobs, writeImage, writeLayer, type BlobStore } from './oci-image.ts';
import { tarOf, type TarEntry } from './tar.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-oci-'));
after(() => rm(folder, { recursive: true }));
const storeAt = (name: string): BlobStore => ({ directory: join(folder, name) });
const entries: TarEntry[] = [
  { path: 'app/z.txt', kind: 'file', content: Buffer.from('last') },
  { path: 'app', kind: 'directory' },
  { path: 'app/run', kind: 'file', content: Buffer.from('#!'), mode: 0o755 },
  { path: 'app/link', kind: 'link', target: 'run' },
];

test('the same content gives the same layer, whatever the order and the times', async () => {
  const file = join(folder, 'file');
  await writeFile(file, 'content');
  const withFile: TarEntry[] = [...entries, { path: 'app/file', kind: 'file', content: { file } }];
  const first = await writeLayer(storeAt('a'), withFile);
  await utimes(file, 1, 1);
  assert.deepEqual(await writeLayer(storeAt('b'), [...withFile].reverse()), first);
});

test('different content gives a different layer', async () => {
  const first = await writeLayer(storeAt('a'), entries);
  const other = await writeLayer(storeAt('a'), [...entries, { path: 'x', kind: 'directory' }]);
  assert.notEqual(other.digest, first.digest);
});

test('a layer is what another tar implementation reads back', async () => {
  const long = `${'d'.repeat(60)}/${'e'.repeat(60)}/f`;
  const read = await untar(tarOf([...entries, { path: long, kind: 'file', content: Buffer.alloc(513, 1) }]));
  assert.deepEqual(
    read.map(({ header, content }) => [
      header.name,
      header.type,
      header.mode,
      header.mtime?.getTime(),
      header.uid,
      content.length,
    ]),
    [
      ['app/z.txt', 'file', 0o644, 0, 0, 4],
      ['app/', 'directory', 0o755, 0, 0, 0],
      ['app/run', 'file', 0o755, 0, 0, 2],
      ['app/link', 'symlink', 0o777, 0, 0, 0],
      [long, 'file', 0o644, 0, 0, 513],
    ],
  );
});

test('a path that no archive can hold is refused, not cut', async () => {
  await assert.rejects(
    buffer(Readable.from(tarOf([{ path: 'x'.repeat(101), kind: 'directory' }]))),
    /Too long for an archive/,
  );
});

test('an image is its layers and configuration, and its digest is the same each time', async () => {
  const store = storeAt('c');
  const layer = await writeLayer(store, entries);
  const image = await writeImage(store, 'example/app:1', [layer], {
    entrypoint: ['/app/run'],
    environment: { A: 'b' },
  });
  assert.deepEqual(
    await writeImage(store, 'example/app:1', [layer], { entrypoint: ['/app/run'], environment: { A: 'b' } }),
    image,
  );
  const manifest = JSON.parse(await readFile(blobPath(store, image.digest), 'utf8'));
  const config = JSON.parse(await readFile(blobPath(store, manifest.config.digest), 'utf8'));
  assert.deepEqual(config.rootfs.diff_ids, [layer.digest]);
  assert.deepEqual(config.config.Entrypoint, ['/app/run']);
  assert.ok(config.config.Env.includes('A=b'));
});

test('an archive holds every blob once, under the digest of its content, and names the images', async () => {
  const store = storeAt('d');
  const shared = await writeLayer(store, entries);
  const own = await writeLayer(store, [{ path: 'own', kind: 'directory' }]);
  const one = await writeImage(store, 'example/one:1', [shared], {});
  const two = await writeImage(store, 'example/two:2', [shared, own], {});
  const files = await untar(imageArchive(store, [one, two]) as AsyncIterable<Uint8Array>);
  const blobs = files.filter(({ header }) => header.name.startsWith('blobs/'));
  assert.equal(new Set(blobs.map(({ header }) => header.name)).size, blobs.length);
  for (const { header, content } of blobs)
    assert.equal(header.name, `blobs/sha256/${createHash('sha256').update(content).digest('hex')}`);
  const index = JSON.parse(files.find(({ header }) => header.name === 'index.json')!.content.toString());
  assert.deepEqual(
    index.manifests.map(
      (manifest: { annotations: Record<string, string> }) => manifest.annotations['io.containerd.image.name'],
    ),
    ['example/one:1', 'example/two:2'],
  );
});

test('a finished tar file is taken in as it is', async () => {
  const store = storeAt('e');
  const tar = await buffer(Readable.from(tarOf(entries)));
  await writeFile(join(folder, 'root.tar'), tar);
  const layer = await adoptLayer(store, join(folder, 'root.tar'));
  assert.equal(layer.digest, `sha256:${createHash('sha256').update(tar).digest('hex')}`);
  assert.equal(layer.size, tar.length);
  assert.deepEqual(await readFile(blobPath(store, layer.digest)), tar);
});

test('old blobs that no image needs are removed, and no others', async () => {
  const store = storeAt('f');
  const layer = await writeLayer(store, entries);
  const image = await writeImage(store, 'example/app:1', [layer], {});
  const orphan = await writeLayer(store, [{ path: 'old', kind: 'directory' }]);
  await pruneBlobs(store, [image], Date.now() - 60_000);
  assert.ok(existsSync(blobPath(store, orphan.digest)), 'younger than the limit');
  await pruneBlobs(store, [image], Date.now() + 60_000);
  assert.ok(!existsSync(blobPath(store, orphan.digest)));
  for (const blob of image.blobs) assert.ok(existsSync(blobPath(store, blob.digest)));
});

async function untar(source: AsyncIterable<Uint8Array>): Promise<{ header: Header; content: Buffer }[]> {
  const files: { header: Header; content: Buffer }[] = [];
  const unpack = extract();
  unpack.end(await buffer(Readable.from(source)));
  for await (const entry of unpack)
    files.push({ header: entry.header, content: await buffer(entry as AsyncIterable<Buffer>) });
  return files;
}
