import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { createCatalog } from './catalog.ts';
import type { Catalog } from './catalog.ts';
import { saveFile } from './files.ts';
import type { Vault } from './files.ts';
import { createTestRepository, password } from './fixtures.ts';
import { fileId } from './ids.ts';
import { encodeIndex } from './index-file.ts';
import { packOf } from './index-packs.fixture.ts';
import type { PackEntry } from './pack.ts';
import { openRepository, unlock } from './repository.ts';

async function newVault(store: Store = createMemoryStore()): Promise<Vault> {
  await createTestRepository(store);
  const { sealer } = await unlock(store, { password });
  return { store, sealer, version: 2 };
}

const writeIndex = async (vault: Vault, packs: readonly PackEntry[]): Promise<string> =>
  saveFile(vault, 'index', encodeIndex(packs));

const knows = (catalog: Catalog, pack: PackEntry): boolean => pack.blobs.every(({ id }) => catalog.has('data', id));

describe('the index is read when it is first needed', () => {
  /** Counts what is read below a prefix. */
  function counting(store: MemoryStore, prefix: string): Store & { reads: number } {
    const counted = {
      ...store,
      reads: 0,
      async get(...args: Parameters<Store['get']>) {
        if (args[0].startsWith(prefix)) counted.reads++;
        return store.get(...args);
      },
    };
    return counted;
  }

  test('snapshots are listed without it, and many who need it at once read it once', async () => {
    const store = counting(createMemoryStore(), 'index/');
    await using writer = await createTestRepository(store);
    const saved = await writer.saveBlob('data', Buffer.from('x'));
    await writer.flush();
    await using reader = await openRepository(store, { password });
    assert.deepEqual(await reader.snapshots(), []);
    assert.throws(() => reader.hasBlob('data', saved.id), { code: 'Internal', message: /before it was loaded/ });
    assert.equal(store.reads, 0);
    await Promise.all(Array.from({ length: 5 }, async () => reader.loadBlob('data', saved.id)));
    assert.equal(store.reads, 1);
    assert.equal(reader.hasBlob('data', saved.id), true);
  });

  test('a damaged file of it is named to whoever needs it first, and again', async () => {
    const vault = await newVault();
    const forged = vault.sealer.seal(Buffer.from('{"packs":[{"id":7}]}'));
    await vault.store.put(`index/${fileId(forged)}`, forged);
    await using reader = await openRepository(vault.store, { password });
    const damaged = { code: 'RepositoryCorrupt', message: new RegExp(`index/${fileId(forged)}`) };
    await assert.rejects(reader.saveBlob('data', Buffer.from('y')), damaged);
    await assert.rejects(reader.lock('shared'), damaged);
    await assert.rejects(reader.shareIndex(), damaged);
  });

  test('who gives up does not stop others who wait for it', async () => {
    const vault = await newVault();
    await writeIndex(vault, [packOf('a', 3)]);
    await using catalog = createCatalog(vault);
    const stop = new AbortController();
    const first = catalog.load(stop.signal);
    const second = catalog.load();
    stop.abort();
    await assert.rejects(first, { name: 'AbortError' });
    await second;
    assert.ok(knows(catalog, packOf('a', 3)));
  });
});

describe('a refresh', () => {
  test('adds what is new, and forgets what a prune removed unless it was uploaded since', async () => {
    const vault = await newVault();
    const [pruned, kept, ours, later] = ['pruned', 'kept', 'ours', 'later'].map((name) => packOf(name, 5));
    const old = await writeIndex(vault, [pruned!, kept!]);
    await using catalog = createCatalog(vault);
    await catalog.load();
    await catalog.addUploaded(ours!);
    await writeIndex(vault, [later!]);
    await catalog.refresh();
    for (const pack of [pruned, kept, ours, later]) assert.ok(knows(catalog, pack!));
    await writeIndex(vault, [kept!]);
    await vault.store.delete(`index/${old}`);
    await catalog.refresh();
    for (const pack of [kept, ours, later]) assert.ok(knows(catalog, pack!));
    assert.equal(catalog.has('data', pruned!.blobs[0]!.id), false);
  });

  test('reads again if a file goes while it reads', async () => {
    const memory = createMemoryStore();
    const vault = await newVault(memory);
    const old = await writeIndex(vault, [packOf('a', 3), packOf('b', 3)]);
    const pruning: Store = {
      ...memory,
      async get(key, options) {
        if (key === `index/${old}` && memory.objects.has(key)) {
          await writeIndex(vault, [packOf('b', 3)]);
          await memory.delete(key);
        }
        return memory.get(key, options);
      },
    };
    await using catalog = createCatalog({ ...vault, store: pruning });
    await catalog.load();
    assert.ok(knows(catalog, packOf('b', 3)));
    assert.equal(knows(catalog, packOf('a', 3)), false);
  });
});

test('all packs are listed by id, also blobs that lie in several', async () => {
  const vault = await newVault();
  const packs = ['a', 'b', 'c', 'd'].map((name) => packOf(name, 5));
  const twin = { ...packOf('twin', 0), blobs: packs[0]!.blobs };
  await writeIndex(vault, packs.slice(0, 3));
  await writeIndex(vault, [...packs.slice(2), twin]);
  await using catalog = createCatalog(vault);
  assert.deepEqual(
    await Array.fromAsync(catalog.packs()),
    [...packs, twin].sort((left, right) => (left.id < right.id ? -1 : 1)),
  );
});
