import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeIndex, encodeIndex, inIndexFiles } from './index-file.ts';
import { arbitraryPack, blobPool } from './index-packs.fixture.ts';
import { decodeHeader, encodeHeader } from './pack.ts';
import type { BlobEntry, PackEntry } from './pack.ts';

test('index files give back the packs, cut at the bound', () => {
  fc.assert(
    fc.property(fc.array(arbitraryPack), (packs) => {
      const fields = JSON.parse(encodeIndex(packs)) as Record<string, unknown>;
      assert.deepEqual([...decodeIndex(fields, 'it')], packs);
    }),
  );
  const blob: BlobEntry = { type: 'data', id: blobPool[0]!, offset: 0, length: 32, uncompressedLength: 0 };
  const large = (id: string): PackEntry => ({ id, blobs: Array.from({ length: 30_000 }, () => blob) });
  const files = [...inIndexFiles([large('a'), large('b'), large('c')])];
  assert.deepEqual(
    files.map((file) => file.map(({ id }) => id)),
    [['a'], ['b'], ['c']],
  );
  assert.deepEqual([...inIndexFiles([])], []);
});

test('pack headers give back the entries', () => {
  fc.assert(
    fc.property(arbitraryPack, ({ blobs: entries }) => {
      let offset = 0;
      const blobs = entries.map((one) => {
        offset += one.length;
        return { ...one, offset: offset - one.length };
      });
      assert.deepEqual(decodeHeader(encodeHeader(blobs), 'it'), blobs);
    }),
  );
  assert.throws(() => decodeHeader(Buffer.from([4, 0, 0]), 'it'), { code: 'RepositoryCorrupt' });
  assert.throws(() => decodeHeader(Buffer.alloc(36), 'it'), { code: 'RepositoryCorrupt' });
  assert.throws(() => decodeHeader(Buffer.alloc(37), 'it'), { code: 'RepositoryCorrupt', message: /impossible size/ });
});

test('index files that lie about places are refused', () => {
  const good = { id: blobPool[1], type: 'data', offset: 0, length: 100, uncompressed_length: 200 };
  for (const lie of [
    { length: 31 },
    { length: 2 ** 31 },
    { offset: -1 },
    { offset: 2 ** 31 },
    { uncompressed_length: 2 ** 40 },
    { type: 'file' },
    { id: 'abc' },
  ]) {
    const fields = { packs: [{ id: blobPool[3], blobs: [{ ...good, ...lie }] }] };
    assert.throws(() => [...decodeIndex(fields, 'it')], { code: 'RepositoryCorrupt' }, JSON.stringify(lie));
  }
});
