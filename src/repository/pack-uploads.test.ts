import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { createTestRepository, password } from './fixtures.ts';
import { openRepository } from './repository.ts';
import type { BlobId } from './types.ts';

const MiB = 2 ** 20;

/** More than one pack holds, and less than two: one is uploaded by itself, what is left is not. */
async function saveMoreThanOnePack(
  store: Store,
): Promise<{ ids: BlobId[]; index: () => Promise<void>; close: () => Promise<void> }> {
  const repository = await openRepository(store, { password });
  const ids: BlobId[] = [];
  for (let blob = 0; blob < 20; blob++) ids.push((await repository.saveBlob('data', randomBytes(MiB))).id);
  const isUploaded = async (): Promise<true | undefined> => {
    for await (const _ of store.list('data/')) return true;
    return undefined;
  };
  await waitFor(isUploaded, { what: 'a pack in the store', timeoutMs: 10_000, intervalMs: 5 });
  return {
    ids,
    index: async () => repository.indexStored(),
    close: async () => repository[Symbol.asyncDispose](),
  };
}

async function storedBlobs(store: Store, ids: readonly BlobId[]): Promise<number> {
  await using repository = await openRepository(store, { password });
  await repository.refresh();
  return ids.filter((id) => repository.hasBlob('data', id)).length;
}

test('what was uploaded before a run ends early is listed, and the next run has it', async () => {
  const store = createMemoryStore();
  await (await createTestRepository(store, 1))[Symbol.asyncDispose]();
  const { ids, index, close } = await saveMoreThanOnePack(store);
  assert.equal(await storedBlobs(store, ids), 0);
  await index();
  await close();
  const stored = await storedBlobs(store, ids);
  assert.ok(stored >= 15 && stored < 20, `${stored} of 20`);
});

test('an index that could not be written is written by the next one who tries', async () => {
  const memory = createMemoryStore();
  await (await createTestRepository(memory, 1))[Symbol.asyncDispose]();
  let refusals = 1;
  const put: Store['put'] = async (key, body, options) => {
    if (key.startsWith('index/') && refusals-- > 0) throw new SalvorError('full', { code: 'StoreFull' });
    return memory.put(key, body, options);
  };
  const store: Store = { ...memory, put };
  const { ids, index, close } = await saveMoreThanOnePack(store);
  await assert.rejects(index(), { code: 'StoreFull' });
  await index();
  await close();
  assert.ok((await storedBlobs(memory, ids)) >= 15);
});
