import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { PACKS_MAX } from './blob-writer.ts';
import { checkRepository } from './check.ts';
import { findNode, listPath, readContent, walkTree } from './find.ts';
import { cheapKdf, createTestRepository, node, password, saveFile, snapshotOf } from './fixtures.ts';
import { blobId, fileId } from './ids.ts';
import { createRepository, openRepository, unlock } from './repository.ts';
import type { Repository } from './types.ts';

const open = async (store: Store): Promise<Repository> => openRepository(store, { password });

async function assertSound(store: Store): Promise<void> {
  assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
}

function keysUnder(store: MemoryStore, prefix: string): string[] {
  return [...store.objects.keys()].filter((key) => key.startsWith(prefix));
}

describe('a repository', () => {
  for (const version of [1, 2] as const) {
    test(`of version ${version} gives back what was saved, after it was opened anew`, async () => {
      const store = createMemoryStore();
      const pieces = [Buffer.from('text '.repeat(10_000)), randomBytes(100_000), Buffer.from('x'), Buffer.alloc(0)];
      await using first = await createTestRepository(store, version);
      const saved = await saveFile(first, pieces);
      await using second = await open(store);
      assert.equal(second.id, first.id);
      assert.equal(second.chunkerPolynomial, first.chunkerPolynomial);
      const [snapshot] = await second.snapshots();
      assert.deepEqual(snapshot, { id: saved.snapshot, ...snapshotOf(saved.root) });
      const file = await findNode(second, saved.root, '/dir/file');
      assert.ok(file !== undefined);
      assert.ok(Buffer.concat(await Array.fromAsync(readContent(second, file))).equals(Buffer.concat(pieces)));
      assert.equal((await unlock(store, { password })).config.version, version);
      await assertSound(store);
    });
  }

  test('holds any blobs, each once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 30 }), async (blobs) => {
        const store = createMemoryStore();
        await using repository = await createTestRepository(store);
        const results = await Promise.all(blobs.map(async (blob) => repository.saveBlob('data', blob)));
        assert.equal(results.filter(({ isNew }) => isNew).length, new Set(results.map(({ id }) => id)).size);
        await repository.flush();
        await using again = await open(store);
        for (const [index, { id }] of results.entries()) {
          assert.deepEqual(await again.loadBlob('data', id), Buffer.from(blobs[index]!));
        }
      }),
      { numRuns: 30 },
    );
  });

  test('keeps data and trees with the same bytes apart', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const bytes = Buffer.from('{"nodes":[]}\n');
    const data = await repository.saveBlob('data', bytes);
    assert.equal((await repository.saveTree([])).isNew, true);
    await repository.flush();
    assert.ok(repository.hasBlob('data', data.id) && repository.hasBlob('tree', data.id));
    assert.deepEqual(await repository.loadTree(data.id), []);
  });

  test('writes many packs, with several savers at a time, and stays sound', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const blobs = Array.from({ length: 44 }, () => randomBytes(1024 * 1024));
    const ids: string[] = [];
    const saver = async (start: number): Promise<void> => {
      for (let index = start; index < blobs.length; index += 4) {
        ids.push((await repository.saveBlob('data', blobs[index]!)).id);
      }
    };
    await Promise.all([0, 1, 2, 3].map(saver));
    await repository.flush();
    assert.deepEqual(ids.sort(), blobs.map(blobId).sort());
    assert.equal(keysUnder(store, 'data/').length, 3);
    await assertSound(store);
  });

  test('is not harmed by a caller who reuses his buffer too early', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const buffer = Buffer.alloc(1024 * 1024);
    const saving = Array.from({ length: 60 }, async () => {
      buffer.set(randomBytes(buffer.length));
      return repository.saveBlob('data', buffer);
    });
    const saved = await Promise.all(saving);
    await repository.flush();
    for (const { id } of saved) assert.equal(blobId(await repository.loadBlob('data', id)), id);
    await assertSound(store);
  });

  test('stores what does not shrink as it is, and says what it cost', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    assert.equal((await repository.saveBlob('data', randomBytes(1000))).storedBytes, 1032);
    const shrinking = await repository.saveBlob('data', Buffer.alloc(1_000_000));
    assert.ok(shrinking.storedBytes < 1000);
    assert.deepEqual(await repository.saveBlob('data', Buffer.alloc(1_000_000)), {
      ...shrinking,
      isNew: false,
      storedBytes: 0,
    });
  });

  test('of version 1 compresses nothing', async () => {
    await using repository = await createTestRepository(createMemoryStore(), 1);
    assert.equal((await repository.saveBlob('data', Buffer.alloc(1000))).storedBytes, 1032);
  });

  test('lists snapshots from the oldest, and forgets deleted ones', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const late = await saveFile(repository, [Buffer.from('b')], '2026-11-23T10:00:00Z');
    const early = await saveFile(repository, [Buffer.from('a')], '2026-11-23T10:30:00+01:00');
    assert.deepEqual(
      (await repository.snapshots()).map(({ id }) => id),
      [early.snapshot, late.snapshot],
    );
    const [first] = await repository.snapshots();
    await repository.deleteSnapshot(first!.id);
    assert.deepEqual(
      (await repository.snapshots()).map(({ id }) => id),
      [late.snapshot],
    );
  });

  test('writes no snapshot of a tree it does not have', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    await assert.rejects(repository.saveSnapshot(snapshotOf(blobId(Buffer.from('never')))), /was not saved/);
    assert.deepEqual(keysUnder(store, 'snapshots/'), []);
  });
});

describe('two writers', () => {
  test('each find what the other wrote after a refresh', async () => {
    const store = createMemoryStore();
    await using one = await createTestRepository(store);
    await using two = await open(store);
    await two.refresh();
    const saved = await saveFile(one, [Buffer.from('shared')]);
    assert.equal(two.hasBlob('data', saved.content[0]!), false);
    await two.refresh();
    assert.equal((await two.saveBlob('data', Buffer.from('shared'))).isNew, false);
    await Promise.all([saveFile(one, [randomBytes(5000)]), saveFile(two, [randomBytes(5000)])]);
    await assertSound(store);
    assert.equal((await two.snapshots()).length, 3);
  });

  test('taking a lock forgets what a prune has removed, and keeps what is ours', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const gone = await saveFile(repository, [Buffer.from('to be pruned')]);
    for (const prefix of ['index/', 'data/', 'snapshots/'])
      for (const key of keysUnder(store, prefix)) store.objects.delete(key);
    const kept = await saveFile(repository, [Buffer.from('kept')]);
    await using _lock = await repository.lock('shared');
    assert.equal(repository.hasBlob('data', gone.content[0]!), false);
    assert.equal(repository.hasBlob('data', kept.content[0]!), true);
    assert.equal((await repository.saveBlob('data', Buffer.from('to be pruned'))).isNew, true);
  });

  test('of two who create at the same time one wins, and the other leaves nothing', async () => {
    const store = createMemoryStore();
    const results = await Promise.allSettled([
      createRepository(store, { password, kdf: cheapKdf }),
      createRepository(store, { password: 'other', kdf: cheapKdf }),
    ]);
    const won = results.filter((result) => result.status === 'fulfilled');
    const lost = results.find((result) => result.status === 'rejected');
    assert.equal(won.length, 1);
    assert.equal((lost!.reason as SalvorError).code, 'RepositoryExists');
    assert.equal(keysUnder(store, 'keys/').length, 1);
    const winner = results[0]?.status === 'fulfilled' ? password : 'other';
    await using repository = await openRepository(store, { password: winner });
    assert.equal(repository.id, won[0]!.value.id);
  });
});

describe('a repository that cannot be opened', () => {
  test('says what is wrong', async () => {
    const store = createMemoryStore();
    await assert.rejects(open(store), { code: 'RepositoryMissing' });
    await createTestRepository(store);
    await assert.rejects(openRepository(store, { password: 'wrong' }), { code: 'KeyWrong' });
    await assert.rejects(openRepository(store, { password: '' }), { code: 'KeyMissing' });
    await assert.rejects(createTestRepository(store), { code: 'RepositoryExists' });
    await assert.rejects(createRepository(store, { password: 'wrong' }), { code: 'RepositoryExists' });
  });

  test('of another version or with a bad polynomial is refused', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    const { sealer, config } = await unlock(store, { password });
    for (const [change, code] of [
      [{ version: 3 }, 'RepositoryUnsupported'],
      [{ id: 'x' }, 'RepositoryCorrupt'],
      [{ chunker_polynomial: '7' }, 'RepositoryCorrupt'],
      [{ chunker_polynomial: '20000000000001' }, 'RepositoryCorrupt'],
    ] as const) {
      const good = { version: 2, id: config.id, chunker_polynomial: config.chunkerPolynomial.toString(16) };
      store.objects.set('config', sealer.seal(Buffer.from(JSON.stringify({ ...good, ...change }))));
      await assert.rejects(open(store), { code });
    }
  });

  test('a key file that asks for too much work, or is damaged, is named', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    const [name] = keysUnder(store, 'keys/');
    const good = JSON.parse(store.objects.get(name!)!.toString()) as object;
    for (const change of [
      { N: 2 ** 30 },
      { N: 3 },
      { r: 0 },
      { p: 2 ** 30 },
      { kdf: 'md5' },
      { salt: '*' },
      { data: 7 },
    ]) {
      store.objects.delete(name!);
      const file = Buffer.from(JSON.stringify({ ...good, ...change }));
      store.objects.set(`keys/${fileId(file)}`, file);
      await assert.rejects(open(store), { code: 'RepositoryCorrupt', message: new RegExp(fileId(file)) });
      store.objects.delete(`keys/${fileId(file)}`);
    }
  });

  test('one damaged key file does not keep another from opening', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    store.objects.set(`keys/${'0'.repeat(64)}`, Buffer.from('junk'));
    await using repository = await open(store);
    assert.equal((await repository.snapshots()).length, 0);
    await assert.rejects(openRepository(store, { password: 'wrong' }), { code: 'RepositoryCorrupt' });
  });

  test('a creator that died before the config is succeeded by the next', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    store.objects.delete('config');
    const saved = await saveFile(await createTestRepository(store), [Buffer.from('x')]);
    assert.equal(keysUnder(store, 'keys/').length, 1);
    await using repository = await open(store);
    assert.deepEqual(
      (await repository.snapshots()).map(({ id }) => id as string),
      [saved.snapshot],
    );
  });
});

describe('a store that fails', () => {
  /** Fails every put below this prefix once `armed`. */
  function breaking(store: MemoryStore, prefix: string): Store & { armed: boolean } {
    const broken = {
      ...store,
      armed: false,
      async put(...[key, body, options]: Parameters<Store['put']>) {
        if (broken.armed && key.startsWith(prefix)) throw new SalvorError('broken', { code: 'StoreUnreachable' });
        return store.put(key, body, options);
      },
    };
    return broken;
  }

  for (const prefix of ['data/', 'index/', 'snapshots/']) {
    test(`while it writes ${prefix} leaves no snapshot, and the repository sound`, async () => {
      const memory = createMemoryStore();
      const store = breaking(memory, prefix);
      await using repository = await createTestRepository(store);
      await saveFile(repository, [Buffer.from('before')]);
      store.armed = true;
      await assert.rejects(saveFile(repository, [Buffer.from('during')]), { code: 'StoreUnreachable' });
      await assertSound(memory);
      await using next = await open(memory);
      await saveFile(next, [Buffer.from('during')]);
      await assertSound(memory);
      assert.equal((await next.snapshots()).length, 2);
    });
  }

  test('breaks the writer for good: nothing later pretends to be saved', async () => {
    const memory = createMemoryStore();
    const store = breaking(memory, 'data/');
    await using repository = await createTestRepository(store);
    store.armed = true;
    const lost = await repository.saveBlob('data', Buffer.from('lost'));
    await assert.rejects(repository.flush(), { code: 'StoreUnreachable' });
    store.armed = false;
    await assert.rejects(repository.saveBlob('data', Buffer.from('lost')), { code: 'StoreUnreachable' });
    await assert.rejects(repository.saveBlob('data', Buffer.from('more')), { code: 'StoreUnreachable' });
    await assert.rejects(repository.flush(), { code: 'StoreUnreachable' });
    assert.equal(repository.hasBlob('data', lost.id), false);
  });

  test('does not hang who gives up', async () => {
    const memory = createMemoryStore();
    const hanging: Store = {
      ...memory,
      async put(key, body, options) {
        if (!key.startsWith('data/')) return memory.put(key, body, options);
        const { promise, reject } = Promise.withResolvers<boolean>();
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
        return promise;
      },
    };
    const repository = await createTestRepository(hanging);
    await repository.saveBlob('data', Buffer.from('x'));
    const abort = new AbortController();
    const flushing = repository.flush(abort.signal);
    abort.abort();
    await assert.rejects(flushing, { name: 'AbortError' });
    await repository[Symbol.asyncDispose]();
    await assert.rejects(repository.saveBlob('data', Buffer.from('y')));
  });
});

describe('back-pressure', () => {
  /** Holds every pack back until it is told to let them go. */
  function gated(store: MemoryStore): Store & { readonly open: () => void } {
    const gate = Promise.withResolvers<void>();
    return {
      ...store,
      open: gate.resolve,
      async put(key, body, options) {
        if (key.startsWith('data/')) await gate.promise;
        return store.put(key, body, options);
      },
    };
  }

  test('lets nobody in while all memory for packs is on its way, and then stores each blob once', async () => {
    const memory = createMemoryStore();
    const store = gated(memory);
    await using repository = await createTestRepository(store);
    const blob = randomBytes(1024 * 1024);
    for (let index = 0; index < PACKS_MAX * 16; index++) {
      blob.writeUInt32LE(index);
      await repository.saveBlob('data', blob);
    }
    const twin = randomBytes(1000);
    let settled = 0;
    const saving = Promise.all(
      [twin, twin, twin].map(async (bytes) => {
        const saved = await repository.saveBlob('data', bytes);
        settled++;
        return saved;
      }),
    );
    await memory.head('config');
    assert.equal(settled, 0);
    assert.equal(repository.hasBlob('data', blobId(twin)), false);
    store.open();
    assert.deepEqual(
      (await saving).map(({ isNew }) => isNew),
      [true, false, false],
    );
    await repository.flush();
    await assertSound(memory);
  });

  test('does not forget packs that are stored and not yet indexed when a prune was noticed', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    await saveFile(repository, [Buffer.from('to be pruned')]);
    const blobs = Array.from({ length: 34 }, () => randomBytes(1024 * 1024));
    for (const blob of blobs) await repository.saveBlob('data', blob);
    for (const key of keysUnder(store, 'index/')) store.objects.delete(key);
    await repository.refresh();
    assert.deepEqual(await repository.loadBlob('data', blobId(blobs[0]!)), blobs[0]);
  });
});

describe('looking into a snapshot', () => {
  test('finds, lists and walks by path', async () => {
    await using repository = await createTestRepository(createMemoryStore());
    const { root } = await saveFile(repository, [Buffer.from('content')]);
    assert.equal((await findNode(repository, root, 'dir//file/'))?.size, 7);
    for (const path of ['/nothing', '/dir/file/below', '/dir/nothing']) {
      assert.equal(await findNode(repository, root, path), undefined, path);
      await assert.rejects(listPath(repository, root, path), { code: 'NotFound' });
    }
    await assert.rejects(listPath(repository, root, '/dir/file'), { code: 'NotFound', message: /not a directory/ });
    assert.deepEqual(
      (await listPath(repository, root, '/')).map(({ name }) => name.toString()),
      ['dir'],
    );
    assert.deepEqual(
      (await listPath(repository, root, Buffer.from('/dir'))).map(({ name }) => name.toString()),
      ['file'],
    );
    const walked = await Array.fromAsync(walkTree(repository, root));
    assert.deepEqual(
      walked.map(({ path }) => path.toString()),
      ['dir', 'dir/file'],
    );
  });

  test('a file whose size does not fit its content is corrupt', async () => {
    await using repository = await createTestRepository(createMemoryStore());
    const { id } = await repository.saveBlob('data', Buffer.from('abc'));
    await repository.flush();
    const forged = node('f', { type: 'file', size: 4, content: [id] });
    await assert.rejects(Array.fromAsync(readContent(repository, forged)), { code: 'RepositoryCorrupt' });
  });
});
