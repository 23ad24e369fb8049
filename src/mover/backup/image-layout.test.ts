import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageLayout, imageSegments } from './image-layout.ts';

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const TiB = 2 ** 40;

test('an image up to 256 GiB is one file of blocks of a mebibyte', () => {
  for (const bytes of [1, 4 * GiB, 256 * GiB]) {
    assert.deepEqual(imageLayout(bytes), { blockBytes: MiB, segmentBytes: bytes, isDivided: false });
    assert.deepEqual([...imageSegments(bytes)], [{ name: '000000', start: 0, bytes }]);
  }
});

test('an empty image is one empty file', () => {
  assert.deepEqual([...imageSegments(0)], [{ name: '000000', start: 0, bytes: 0 }]);
});

test('a larger image is divided into files of a gibibyte, named so that their order is that of the image', () => {
  const bytes = TiB + 5;
  const segments = [...imageSegments(bytes)];
  assert.equal(imageLayout(bytes).isDivided, true);
  assert.equal(segments.length, 1025);
  assert.deepEqual(segments.at(-1), { name: '001024', start: TiB, bytes: 5 });
  assert.deepEqual(
    segments.map(({ name }) => name).toSorted(),
    segments.map(({ name }) => name),
  );
});

test('above 4 TiB blocks are larger, and a segment still has whole ones', () => {
  assert.equal(imageLayout(4 * TiB).blockBytes, MiB);
  const { blockBytes, segmentBytes } = imageLayout(4 * TiB + 1);
  assert.equal(blockBytes, 4 * MiB);
  assert.equal(segmentBytes % blockBytes, 0);
});
