import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { toBatch } from './index-batch.ts';
import { arbitraryPack, packOf } from './index-packs.fixture.ts';
import type { BlobEntry, PackEntry } from './pack.ts';
import { createPackSorter } from './pack-sorter.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-sorter-'));
after(async () => rm(folder, { recursive: true, force: true }));

const orderOf = (blob: BlobEntry): string =>
  `${String(blob.offset).padStart(10)} ${blob.type} ${blob.id} ${blob.length} ${blob.uncompressedLength}`;

/** The packs by id with all that was listed of each, without an order among blobs at the same place. */
function expected(packs: readonly PackEntry[]): [string, string[]][] {
  const all = new Map<string, Set<string>>();
  for (const { id, blobs } of packs) all.set(id, (all.get(id) ?? new Set()).union(new Set(blobs.map(orderOf))));
  return [...all].sort(([left], [right]) => (left < right ? -1 : 1)).map(([id, blobs]) => [id, [...blobs].sort()]);
}

describe('packs come by id, each once, with all that any index file lists of it', () => {
  for (const [where, bounds] of Object.entries({
    'in memory': { folder, blobsInMemoryMax: 1000 },
    'from scratch files': { folder, blobsInMemoryMax: 7 },
  })) {
    test(where, () => {
      fc.assert(
        fc.property(fc.array(fc.array(arbitraryPack, { maxLength: 4 }), { maxLength: 6 }), (files) => {
          using sorter = createPackSorter(bounds);
          for (const packs of files) sorter.add(toBatch(packs));
          // The same file again: another writer's listing of the same packs.
          if (files[0] !== undefined) sorter.add(toBatch(files[0]));
          const sorted = [...sorter.packs()];
          for (const { blobs } of sorted) {
            const offsets = blobs.map(({ offset }) => offset);
            assert.deepEqual(
              offsets,
              offsets.toSorted((left, right) => left - right),
            );
          }
          assert.deepEqual(
            sorted.map(({ id, blobs }) => [id, blobs.map(orderOf).sort()]),
            expected(files.flat()),
          );
        }),
        { numRuns: 50 },
      );
      assert.deepEqual([...createPackSorter(bounds).packs()], []);
    });
  }

  test('and a listing that is repeated adds nothing', () => {
    using sorter = createPackSorter({ folder, blobsInMemoryMax: 4 });
    const packs = ['a', 'b', 'c'].map((name) => packOf(name, 3));
    for (let round = 0; round < 3; round++) sorter.add(toBatch(packs));
    assert.deepEqual(
      [...sorter.packs()],
      packs.toSorted((left, right) => (left.id < right.id ? -1 : 1)),
    );
  });
});

test('nothing stays behind', async () => {
  assert.deepEqual(await readdir(folder), []);
});
