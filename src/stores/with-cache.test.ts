import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDiskStore } from './disk/disk-store.ts';
import { createMemoryStore } from './memory/memory-store.ts';
import type { MemoryStore } from './memory/memory-store.ts';
import { keysOf, storeContract, withCode } from './store.contract.ts';
import type { Store } from './store.ts';
import { withCache } from './with-cache.ts';
import { withFaults } from './with-faults.ts';
import { withMetrics } from './with-metrics.ts';
import type { MeteredStore } from './with-metrics.ts';

storeContract('memory, with a cache of what never changes', async () => ({
  store: await withCache(createMemoryStore(), {
    copies: createMemoryStore('copies'),
    isImmutable: (key) => key.startsWith('l/'),
    bytesMax: 1000,
    entryBytesMax: 100,
  }),
  dispose: async () => {},
}));

interface Cached {
  readonly store: Store;
  /** Behind the cache: what is fetched shows in its metrics. */
  readonly behind: MeteredStore;
  readonly copies: MemoryStore;
}

async function cached(
  copies = createMemoryStore('copies'),
  around: (store: Store) => Store = (s) => s,
): Promise<Cached> {
  const behind = withMetrics(createMemoryStore());
  for (const name of ['a', 'b', 'c', 'd']) await behind.put(`index/${name}`, Buffer.alloc(100, name));
  await behind.put('index/large', Buffer.alloc(1000, 'l'));
  await behind.put('config', Buffer.from('may change'));
  const isImmutable = (key: string): boolean => key.startsWith('index/');
  // Three entries of 100 bytes and their hash.
  const options = { copies: around(copies), isImmutable, bytesMax: 3 * 132, entryBytesMax: 500 };
  return { store: await withCache(behind, options), behind, copies };
}

test('an object, and a range of it, is fetched once', async () => {
  const { store, behind } = await cached();
  for (let round = 0; round < 3; round++) {
    assert.ok((await store.get('index/a')).equals(Buffer.alloc(100, 'a')));
    assert.equal((await store.get('index/a', { offset: 10, length: 4 })).toString(), 'aaaa');
  }
  assert.equal(behind.metrics.get.calls, 2);
});

test('what can change and what is large is fetched every time', async () => {
  const { store, behind, copies } = await cached();
  for (let round = 0; round < 2; round++) {
    await store.get('config');
    await store.get('index/large');
  }
  assert.equal(behind.metrics.get.calls, 4);
  assert.equal(copies.objects.size, 0);
});

test('the least recently used copies make room for new ones', async () => {
  const { store, behind, copies } = await cached();
  for (const name of ['a', 'b', 'c', 'a', 'd']) await store.get(`index/${name}`);
  assert.deepEqual([...copies.objects.keys()].sort(), ['index/a/..0-', 'index/c/..0-', 'index/d/..0-']);
  assert.equal(behind.metrics.get.calls, 4);
  await store.get('index/a');
  assert.equal(behind.metrics.get.calls, 4);
  await store.get('index/b');
  assert.equal(behind.metrics.get.calls, 5);
});

test('a caller who changes the bytes he got does not change the copy', async () => {
  const { store } = await cached();
  for (let round = 0; round < 3; round++) (await store.get('index/a')).fill('x');
  assert.ok((await store.get('index/a')).equals(Buffer.alloc(100, 'a')));
});

test('a damaged copy is fetched anew', async () => {
  const { store, behind, copies } = await cached();
  await store.get('index/a');
  const copy = copies.objects.get('index/a/..0-');
  assert.ok(copy !== undefined);
  copy[60] = 0;
  assert.ok((await store.get('index/a')).equals(Buffer.alloc(100, 'a')));
  assert.ok((await store.get('index/a')).equals(Buffer.alloc(100, 'a')));
  assert.equal(behind.metrics.get.calls, 2);
});

test('a cache that fails costs time and nothing else', async () => {
  const faults = (['put', 'get', 'list', 'delete'] as const).map((on) => ({
    on,
    when: { chance: 0.5 },
    effect: { kind: 'fail' as const },
  }));
  const { store } = await cached(undefined, (copies) => withFaults(copies, { faults }));
  for (let round = 0; round < 50; round++) {
    const name = 'abcd'.charAt(round % 4);
    assert.ok((await store.get(`index/${name}`)).equals(Buffer.alloc(100, name)));
  }
});

test('what was deleted through the store is gone, with all its ranges', async () => {
  const { store, copies } = await cached();
  await store.get('index/a');
  await store.get('index/a', { length: 3 });
  await store.delete('index/a');
  assert.equal(copies.objects.size, 0);
  await assert.rejects(store.get('index/a'), withCode('StoreObjectMissing'));
});

test('an error of the store is not kept', async () => {
  const { store, behind } = await cached();
  await assert.rejects(store.get('index/e'), withCode('StoreObjectMissing'));
  await behind.put('index/e', Buffer.from('now'));
  assert.equal((await store.get('index/e')).toString(), 'now');
});

test('copies on a disk are found again by the next run, and kept within the bound', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-cache-'));
  const behind = withMetrics(createMemoryStore());
  for (const name of ['a', 'b', 'c']) await behind.put(name, Buffer.alloc(100, name));
  const open = async (bytesMax: number): Promise<Store> =>
    withCache(behind, { copies: await openDiskStore(folder), isImmutable: () => true, bytesMax, entryBytesMax: 500 });
  try {
    const first = await open(1000);
    for (const name of ['a', 'b', 'c']) await first.get(name);
    const second = await open(1000);
    for (const name of ['a', 'b', 'c']) assert.ok((await second.get(name)).equals(Buffer.alloc(100, name)));
    assert.equal(behind.metrics.get.calls, 3);
    await open(200);
    assert.equal((await keysOf(await openDiskStore(folder), '')).length, 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
