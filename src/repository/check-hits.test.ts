import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import { checkRepository } from './check.ts';
import { createTestRepository, identity, node, password, saveFile, snapshotOf } from './fixtures.ts';
import { openRepository } from './repository.ts';

/** `/dir/file` in two snapshots, each with blobs of its own; answers the pack of data of the first. */
async function makeTwo(store: MemoryStore): Promise<{ readonly first: string; readonly pack: string }> {
  await using _made = await createTestRepository(store);
  let first = '';
  let pack = '';
  for (const text of ['one', 'two']) {
    await using repository = await openRepository(store, { password, identity });
    const saved = await saveFile(repository, [Buffer.from(text)]);
    if (text !== 'one') continue;
    first = saved.snapshot;
    const place = repository.findBlob('data', saved.content[0]!);
    pack = `data/${place!.packId.slice(0, 2)}/${place!.packId}`;
  }
  return { first, pack };
}

function flipBit(store: MemoryStore, key: string): void {
  const bytes = Buffer.from(store.objects.get(key)!);
  bytes[0]! ^= 1;
  store.objects.set(key, bytes);
}

describe('a check that finds damage', () => {
  test('names the snapshot and the file it hits, and no other', async () => {
    const store = createMemoryStore();
    const { first, pack } = await makeTwo(store);
    flipBit(store, pack);
    assert.deepEqual((await checkRepository(store, { password, readData: false })).hits, []);
    const { hits } = await checkRepository(store, { password, readData: true });
    assert.deepEqual(
      hits.map(({ snapshot, paths, hasMore }) => ({ snapshot, paths, hasMore })),
      [{ snapshot: first, paths: ['/dir/file'], hasMore: false }],
    );
  });

  test('names the folder whose tree is lost', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const saved = await saveFile(repository, [Buffer.from('x')]);
    const lostTree = repository.findBlob('tree', saved.root)!.packId;
    store.objects.delete(`data/${lostTree.slice(0, 2)}/${lostTree}`);
    const { hits } = await checkRepository(store, { password, readData: false });
    assert.deepEqual(
      hits.map(({ paths }) => paths),
      [['/']],
    );
  });

  test('does not name a file whose damaged blob has a sound copy in another pack', async () => {
    const store = createMemoryStore();
    const { pack } = await makeTwo(store);
    // A writer that did not know of the first index stores the blob again.
    const hidden = [...store.objects].filter(([key]) => key.startsWith('index/'));
    for (const [key] of hidden) store.objects.delete(key);
    {
      await using unknowing = await openRepository(store, { password, identity });
      await saveFile(unknowing, [Buffer.from('one')]);
    }
    for (const [key, bytes] of hidden) store.objects.set(key, bytes);
    flipBit(store, pack);
    const { hits, problemCount } = await checkRepository(store, { password, readData: true });
    assert.ok(problemCount > 0);
    assert.deepEqual(hits, []);
  });

  test('names a hundred files of a snapshot and says that there are more', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const { id } = await repository.saveBlob('data', Buffer.from('shared'));
    const names = Array.from({ length: 150 }, (_, index) => `file-${index}`);
    const root = await repository.saveTree(names.map((name) => node(name, { type: 'file', size: 6, content: [id] })));
    await repository.saveSnapshot(snapshotOf(root.id));
    const { packId } = repository.findBlob('data', id)!;
    store.objects.delete(`data/${packId.slice(0, 2)}/${packId}`);
    const [hit] = (await checkRepository(store, { password, readData: false })).hits;
    assert.equal(hit?.paths.length, 100);
    assert.equal(hit?.hasMore, true);
  });
});
