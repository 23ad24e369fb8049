import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore, type MemoryStore } from '#stores/memory/memory-store';
import { createTestRepository, node, password } from './fixtures.ts';
import { packKey } from './pack.ts';
import { openRepository } from './repository.ts';
import type { Repository } from './types.ts';

const bytes = Buffer.alloc(5000, 'the same in two packs ');

/** Two writers that do not know of each other store the same blob twice. */
async function storedTwice(): Promise<{ store: MemoryStore; repository: Repository }> {
  const store = createMemoryStore();
  const one = await createTestRepository(store);
  const two = await openRepository(store, { password });
  // An index is read when it is first needed: here that is before the other has written.
  await two.refresh();
  for (const [index, writer] of [one, two].entries()) {
    await writer.saveBlob('data', Buffer.from(`so that the packs differ: ${index}`));
    await writer.saveBlob('data', bytes);
    await writer.flush();
  }
  return { store, repository: await openRepository(store, { password }) };
}

test('a blob that is damaged in its pack is read from another pack', async () => {
  const { store, repository } = await storedTwice();
  const { id } = await repository.saveBlob('data', bytes);
  const place = repository.findBlob('data', id);
  assert.ok(place !== undefined);
  const pack = store.objects.get(packKey(place.packId))!;
  pack[place.offset + 20]! ^= 1;
  assert.deepEqual(await repository.loadBlob('data', id), bytes);
  store.objects.delete(packKey(place.packId));
  assert.deepEqual(await repository.loadBlob('data', id), bytes);
});

test('a blob that is damaged wherever it lies is an error that names it', async () => {
  const { store, repository } = await storedTwice();
  const { id } = await repository.saveBlob('data', bytes);
  for (const [key, object] of store.objects) if (key.startsWith('data/')) object.fill(0);
  await assert.rejects(repository.loadBlob('data', id), { code: 'RepositoryCorrupt', message: new RegExp(id) });
});

test('trees that are expected are read together, and what fails then is read again', async () => {
  const store = createMemoryStore();
  let reads = 0;
  const counting = { ...store, get: async (...args: Parameters<MemoryStore['get']>) => (reads++, store.get(...args)) };
  const writer = await createTestRepository(counting);
  const ids = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => (await writer.saveTree([node(name, { type: 'fifo' })])).id),
  );
  await writer.flush();
  const load = async (): Promise<string[]> => {
    const trees = [];
    for (const id of ids) trees.push(await writer.loadTree(id));
    return trees.map(([entry]) => entry!.name.toString());
  };
  reads = 0;
  writer.expectTrees([...ids, ids[0]!]);
  assert.deepEqual(await load(), ['a', 'b', 'c']);
  assert.equal(reads, 1);

  const packs = [...store.objects].filter(([key]) => key.startsWith('data/'));
  for (const [key] of packs) store.objects.delete(key);
  writer.expectTrees(ids);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  for (const [key, object] of packs) store.objects.set(key, object);
  assert.deepEqual(await load(), ['a', 'b', 'c']);
});
