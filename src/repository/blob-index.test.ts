import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as fc from 'fast-check';
import { createBlobIndex } from './blob-index.ts';
import type { BlobIndex } from './blob-index.ts';
import type { BlobPlace } from './blob-lookup.ts';
import { arbitraryPack, blobPool, packOf } from './index-packs.fixture.ts';
import type { BlobEntry, PackEntry } from './pack.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-index-'));
after(async () => rm(folder, { recursive: true, force: true }));

/** So small that a few blobs are spilled, and the ids of a few packs. */
const tiny = { folder, blobsInMemoryMax: 8, packsInMemoryMax: 2 };

const keyOf = ({ type, id }: Pick<BlobEntry, 'type' | 'id'>): string => `${type} ${id}`;

/** Every place at which each blob was listed. */
function placesOf(packs: readonly PackEntry[]): Map<string, BlobPlace[]> {
  const places = new Map<string, BlobPlace[]>();
  for (const { id: packId, blobs } of packs) {
    for (const blob of blobs) places.set(keyOf(blob), [...(places.get(keyOf(blob)) ?? []), { ...blob, packId }]);
  }
  return places;
}

function assertSame(index: BlobIndex, places: ReadonlyMap<string, readonly BlobPlace[]>): void {
  for (const type of ['data', 'tree'] as const) {
    for (const id of blobPool) {
      const known = places.get(keyOf({ type, id })) ?? [];
      const bytes = Buffer.from(id, 'hex');
      assert.equal(index.has(type, id), known.length > 0);
      assert.equal(index.hasBytes(type, bytes), known.length > 0);
      const found = index.find(type, id);
      assert.deepEqual(index.findBytes(type, bytes), found);
      if (known.length === 0) assert.equal(found, undefined);
      else assert.ok(known.some((place) => isDeepStrictEqual(place, found)));
    }
  }
}

describe('the index answers what a plain map would', () => {
  for (const [where, bounds] of Object.entries({ 'in memory': { folder }, 'spilled to files': tiny })) {
    test(where, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(arbitraryPack, { maxLength: 4 }), { maxLength: 6 }), async (rounds) => {
          await using index = createBlobIndex(bounds);
          const all: PackEntry[] = [];
          for (const packs of rounds) {
            for (const one of packs) index.addPack(one);
            all.push(...packs);
            assertSame(index, placesOf(all));
            await index.settle();
            const places = placesOf(all);
            assertSame(index, places);
            assert.equal(index.size, places.size);
          }
        }),
        { numRuns: 40 },
      );
    });
  }
});

/** Files in the folder that this process holds, though they have no name any more. */
async function scratchFiles(): Promise<number> {
  const descriptors = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    descriptors.map(async (descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(`${folder}/`)).length;
}

describe('scratch files', () => {
  test('have no name, and are gone when the index is', async () => {
    const index = createBlobIndex(tiny);
    for (let round = 0; round < 20; round++) index.addPack(packOf(`round ${round}`, 9));
    assert.ok((await scratchFiles()) > 10);
    assert.deepEqual(await readdir(folder), []);
    await index.settle();
    assert.equal(await scratchFiles(), 2);
    await index[Symbol.asyncDispose]();
    assert.equal(await scratchFiles(), 0);
  });

  test('stay open for those with whom the index is shared', async () => {
    const index = createBlobIndex(tiny);
    index.addPack(packOf('one', 20));
    const shared = index.share();
    const held = await scratchFiles();
    index.addPack(packOf('two', 20));
    await index.settle();
    await index[Symbol.asyncDispose]();
    assert.equal(await scratchFiles(), held);
    shared[Symbol.dispose]();
    shared[Symbol.dispose]();
    assert.equal(await scratchFiles(), 0);
  });

  test('are given up when merging is cancelled, and nothing is forgotten', async () => {
    await using index = createBlobIndex(tiny);
    const packs = ['a', 'b', 'c'].map((name) => packOf(name, 20));
    for (const one of packs) index.addPack(one);
    const before = await scratchFiles();
    await assert.rejects(index.settle(AbortSignal.abort()), { name: 'AbortError' });
    assert.ok((await scratchFiles()) <= before + 1);
    await index.settle();
    for (const { id } of packs.flatMap(({ blobs }) => blobs)) assert.ok(index.has('data', id));
    assert.equal(index.size, 60);
  });

  test('that cannot be made are an error which names the folder and the remedy', () => {
    const index = createBlobIndex({ ...tiny, folder: join(folder, 'missing') });
    assert.throws(() => index.addPack(packOf('p', 9)), { code: 'Prerequisite', message: /missing/, hint: /TMPDIR/ });
  });
});

describe('a shared index', () => {
  const worker = `
    const { parentPort } = require('node:worker_threads');
    const lookup = import(${JSON.stringify(new URL('blob-lookup.ts', import.meta.url).href)});
    parentPort.on('message', async ({ view, ids }) => {
      const { openIndexView } = await lookup;
      const index = openIndexView(view);
      parentPort.postMessage(ids.map((id) => index.findBytes('data', id)));
    });`;

  test('answers in another thread what was known when it was shared', async () => {
    await using index = createBlobIndex({ ...tiny, blobsInMemoryMax: 64 });
    const known = packOf('known', 100);
    const later = packOf('later', 20);
    const spilling = packOf('spilling', 60);
    index.addPack(known);
    using shared = index.share();
    for (const pack of [later, spilling]) {
      index.addPack(pack);
      for (const { id } of pack.blobs) assert.ok(index.has('data', id));
    }
    const thread = new Worker(worker, { eval: true });
    try {
      const ids = [...known.blobs, ...later.blobs].map(({ id }) => Buffer.from(id, 'hex'));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      thread.postMessage({ view: shared.view, ids });
      const [found] = (await once(thread, 'message')) as [(BlobPlace | undefined)[]];
      const places = known.blobs.map((blob) => ({ ...blob, packId: known.id }));
      assert.deepEqual(found, [...places, ...later.blobs.map(() => undefined)]);
    } finally {
      await thread.terminate();
    }
  });
});
