import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { checkRepository } from './check.ts';
import { readContent, walkTree } from './find.ts';
import { createTestRepository, node, password, saveFile, snapshotOf } from './fixtures.ts';
import { blobId, fileId } from './ids.ts';
import { readHeader } from './pack.ts';
import { openRepository, unlock } from './repository.ts';
import type { Repository } from './types.ts';

const open = async (store: Store): Promise<Repository> => openRepository(store, { password });

function keysUnder(store: MemoryStore, prefix: string): string[] {
  return [...store.objects.keys()].filter((key) => key.startsWith(prefix));
}

describe('objects that were exchanged for other sound ones', () => {
  const swap = (store: MemoryStore, one: string, other: string): void => {
    const [first, second] = [store.objects.get(one)!, store.objects.get(other)!];
    store.objects.set(one, second).set(other, first);
  };

  test('are found: snapshots and packs', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    await saveFile(repository, [Buffer.from('one')]);
    await saveFile(repository, [Buffer.from('two')]);
    const [first, second] = keysUnder(store, 'snapshots/');
    swap(store, first!, second!);
    await assert.rejects(repository.snapshots(), { code: 'RepositoryCorrupt', message: /its hash is not its name/ });
    swap(store, first!, second!);
    const [pack, otherPack] = keysUnder(store, 'data/').filter((key) => store.objects.get(key)!.length < 200);
    swap(store, pack!, otherPack!);
    const { problems } = await checkRepository(store, { password, readData: true });
    for (const expected of [/its hash is not its name/, /does not list what its index says/]) {
      for (const object of [pack, otherPack]) {
        assert.ok(
          problems.some((problem) => problem.object === object && expected.test(problem.message)),
          String(expected),
        );
      }
    }
  });

  test('are found: an index that gives one blob for another', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    await saveFile(repository, [Buffer.from('the right one'), Buffer.from('the wrong one')]);
    const { sealer } = await unlock(store, { password });
    const [right, wrong] = ['the right one', 'the wrong one'].map((text) => blobId(Buffer.from(text)));
    const swapIds = (text: string): string =>
      text.replaceAll(right!, 'X').replaceAll(wrong!, right!).replaceAll('X', wrong!);
    for (const key of keysUnder(store, 'index/')) {
      const plain = sealer.open(store.objects.get(key)!, key);
      const forged = sealer.seal(Buffer.from(swapIds(zstdDecompressSync(plain.subarray(1)).toString())));
      store.objects.delete(key);
      store.objects.set(`index/${fileId(forged)}`, forged);
    }
    await using again = await open(store);
    await assert.rejects(again.loadBlob('data', right!), {
      code: 'RepositoryCorrupt',
      message: /its hash is not its id/,
    });
  });

  test('are found: a pack with more than its header lists', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    const { sealer } = await unlock(store, { password });
    const header = sealer.seal(Buffer.alloc(0));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    const pack = (before: Buffer): Buffer => Buffer.concat([before, header, length]);
    assert.deepEqual(readHeader(pack(Buffer.alloc(0)), sealer, 'it'), []);
    assert.throws(() => readHeader(pack(Buffer.alloc(1)), sealer, 'it'), { code: 'RepositoryCorrupt' });
    assert.throws(() => readHeader(Buffer.alloc(3), sealer, 'it'), { code: 'RepositoryCorrupt' });
    assert.throws(() => readHeader(Buffer.alloc(40, 0xff), sealer, 'it'), { code: 'RepositoryCorrupt' });
  });
});

describe('objects that were damaged', () => {
  for (const prefix of ['data/', 'index/', 'snapshots/', 'config', 'keys/']) {
    test(`a changed byte in ${prefix} is found, wherever it is`, async () => {
      const store = createMemoryStore();
      const saved = await saveFile(await createTestRepository(store), [Buffer.from('content '.repeat(50))]);
      const readAll = async (): Promise<void> => {
        await using repository = await open(store);
        await repository.snapshots();
        for await (const { node: found } of walkTree(repository, saved.root)) {
          if (found.type === 'file') for await (const _bytes of readContent(repository, found));
        }
        assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
      };
      await readAll();
      for (const key of keysUnder(store, prefix)) {
        const good = store.objects.get(key)!;
        for (let at = 0; at < good.length; at += 1 + Math.floor(good.length / 12)) {
          const damaged = Buffer.from(good);
          damaged[at]! ^= 0x10;
          store.objects.set(key, damaged);
          await assert.rejects(readAll(), `${key} at ${at}`);
        }
        store.objects.set(key, good);
      }
    });
  }

  test('a compressed blob that says it is small and is not is refused before it fills memory', async () => {
    const store = createMemoryStore();
    await createTestRepository(store);
    const { sealer } = await unlock(store, { password });
    const bomb = sealer.seal(zstdCompressSync(Buffer.alloc(64 * 1024 * 1024)));
    const id = blobId(Buffer.from('whatever'));
    const index = {
      packs: [{ id, blobs: [{ id, type: 'data', offset: 0, length: bomb.length, uncompressed_length: 100 }] }],
    };
    const file = sealer.seal(Buffer.from(JSON.stringify(index)));
    store.objects.set(`index/${fileId(file)}`, file);
    store.objects.set(`data/${id.slice(0, 2)}/${id}`, bomb);
    await using repository = await open(store);
    await assert.rejects(repository.loadBlob('data', id), { code: 'RepositoryCorrupt', message: /decompressed/ });
  });

  test('a missing pack is named', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const saved = await saveFile(repository, [Buffer.from('x')]);
    for (const key of keysUnder(store, 'data/')) store.objects.delete(key);
    await assert.rejects(repository.loadBlob('data', saved.content[0]!), {
      code: 'RepositoryCorrupt',
      message: /pack .* missing/,
    });
    const report = await checkRepository(store, { password, readData: true });
    assert.equal(report.problems.filter(({ message }) => message === 'The pack is missing').length, 2);
  });
});

describe('the check', () => {
  test('counts what is there', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    await saveFile(repository, [Buffer.from('a'), Buffer.from('b')]);
    store.objects.set(`data/00/${'0'.repeat(64)}`, Buffer.from('of a writer that died'));
    const { bytesRead, ...rest } = await checkRepository(store, { password, readData: true });
    assert.deepEqual(rest, {
      snapshots: 1,
      trees: 2,
      packs: 2,
      blobs: 4,
      unreferencedPacks: 1,
      problems: [],
      problemCount: 0,
      hits: [],
    });
    assert.ok(bytesRead > 0);
  });

  test('finds a blob that a tree needs and no index has, a truncated pack and a snapshot without its tree', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    const lost = blobId(Buffer.from('never saved'));
    const root = await repository.saveTree([node('f', { type: 'file', size: 1, content: [lost] })]);
    await repository.saveSnapshot(snapshotOf(root.id));
    let report = await checkRepository(store, { password, readData: false });
    assert.match(report.problems[0]!.message, new RegExp(`1 blobs that are in no index, the first is ${lost}`));
    const [pack] = keysUnder(store, 'data/');
    store.objects.set(pack!, store.objects.get(pack!)!.subarray(1));
    report = await checkRepository(store, { password, readData: false });
    assert.ok(
      report.problems.some(({ object, message }) => object === pack && /bytes where its index says/.test(message)),
    );
    for (const key of keysUnder(store, 'index/')) store.objects.delete(key);
    report = await checkRepository(store, { password, readData: true });
    assert.deepEqual(
      report.problems.map(({ object }) => object),
      [`tree ${root.id}`],
    );
  });
});
