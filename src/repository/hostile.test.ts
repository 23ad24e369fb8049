import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { checkRepository } from './check.ts';
import { readContent, walkTree } from './find.ts';
import { copyObjects, createForge, sealedHeader, withBoundedWork } from './forge.fixture.ts';
import type { Forge } from './forge.fixture.ts';
import { createTestRepository, node, password, snapshotOf } from './fixtures.ts';
import { hostileJson } from './hostile-json.fixture.ts';
import { blobId, fileId } from './ids.ts';
import { encodeIndex } from './index-file.ts';
import { BLOB_BYTES_MAX, DATA_BLOB_BYTES_MAX } from './limits.ts';
import { encodeHeader, packKey, readHeader } from './pack.ts';
import { openRepository } from './repository.ts';

/**
 * Every file of a repository, spoiled in every way that a generator finds: as bytes (a disk that rots, a thief of
 * credentials) and as soundly sealed nonsense (an attacker with the key, a broken writer). What is read is then either
 * what was saved, or an error with a code that names what is wrong, after a bounded amount of work.
 */

/** Fixed, so that a failure can be seen again. */
const seed = 20_261_125;
const runs = (numRuns: number): fc.Parameters<unknown> => ({ seed, numRuns, endOnFailure: true });

/** What a reader may say about a spoiled repository. */
const damageCodes = new Set([
  'RepositoryCorrupt',
  'RepositoryUnsupported',
  'RepositoryMissing',
  'KeyWrong',
  'StoreCorrupt',
]);

interface Base {
  readonly store: MemoryStore;
  readonly forge: Forge;
  readonly keys: readonly string[];
  readonly digest: string;
}

/** A repository with a little of everything. */
const base = await (async (): Promise<Base> => {
  const store = createMemoryStore();
  await using repository = await createTestRepository(store);
  const content = [];
  for (const text of ['first '.repeat(40), 'second'])
    content.push((await repository.saveBlob('data', Buffer.from(text))).id);
  const inner = await repository.saveTree([
    node('file', { type: 'file', size: 246, content, links: 2, xattrs: [{ name: 'user.x', value: Buffer.from('y') }] }),
    node(Buffer.from([0xff, 0x41]), { type: 'symlink', linkTarget: Buffer.from('../file') }),
    node('null', { type: 'chardev', rdev: 0x103n, user: 'root', group: 'root' }),
  ]);
  const root = await repository.saveTree([
    node('dir', { type: 'dir', subtree: inner.id }),
    node('empty', { type: 'file' }),
  ]);
  await repository.saveSnapshot(snapshotOf(root.id));
  const keys = [...store.objects.keys()];
  return { store, forge: await createForge(store), keys, digest: await digestOf(store) };
})();

const keysUnder = (prefix: string): string[] => base.keys.filter((key) => key.startsWith(prefix));

/** Opens, lists, walks and reads all there is, as `ls` and `dump` would. */
async function digestOf(store: Store): Promise<string> {
  await using repository = await openRepository(withBoundedWork(store), { password });
  const found: string[] = [];
  for (const snapshot of await repository.snapshots()) {
    for await (const { path, node: entry } of walkTree(repository, snapshot.tree)) {
      found.push(`${path.toString('hex')} ${entry.type}`);
      if (entry.type !== 'file') continue;
      for await (const bytes of readContent(repository, entry)) found.push(bytes.toString('hex'));
    }
  }
  return hash('sha256', found.join('\n'));
}

/** What came out, or undefined after an error that a user can act on. */
async function soundOrTyped<T>(use: () => Promise<T>): Promise<T | undefined> {
  try {
    return await use();
  } catch (error) {
    assertTyped(error);
    return undefined;
  }
}

function assertTyped(error: unknown): void {
  if (!(error instanceof SalvorError))
    throw new assert.AssertionError({ message: 'an error without a code', actual: error });
  assert.ok(damageCodes.has(error.code), `${error.code}: ${error.message}`);
  // Names the object: its key, or the blob, tree or file in it.
  assert.match(error.message, /config|memory:test|[0-9a-f]{64}|The file /);
  assertPrintable(error.message);
}

/** What an attacker writes into a name must neither flood a log nor steer a terminal. */
function assertPrintable(message: string): void {
  assert.ok(message.length <= 1100, `a message of ${message.length} characters`);
  assert.doesNotMatch(message, /[\p{Cc}\p{Bidi_Control}]/u);
}

/** Reads and checks a copy of the base after it was spoiled; answers what reading gave. */
async function useSpoiled(
  spoil: (store: MemoryStore, forge: Forge) => void | Promise<void>,
): Promise<string | undefined> {
  const store = copyObjects(base.store, createMemoryStore());
  await spoil(store, await createForge(store));
  const digest = await soundOrTyped(async () => digestOf(store));
  const report = await soundOrTyped(async () => checkRepository(withBoundedWork(store), { password, readData: true }));
  for (const { object, message } of report?.problems ?? []) {
    assert.match(object, /config|[0-9a-f]{64}/);
    assertPrintable(message);
  }
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  return digest;
}

describe('stored bytes that are not what was written', () => {
  const spoils = fc.record({
    key: fc.constantFrom(...base.keys),
    how: fc.constantFrom('flip', 'cut', 'append', 'zero', 'empty', 'other', 'repeat'),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    bit: fc.nat(7),
  });

  const spoiled = ({ key, how, at, bit }: typeof spoils extends fc.Arbitrary<infer T> ? T : never): Buffer => {
    const good = base.store.objects.get(key)!;
    const offset = Math.floor(at * good.length);
    const bytes = Buffer.from(good);
    switch (how) {
      case 'flip':
        bytes[offset]! ^= 1 << bit;
        return bytes;
      case 'cut':
        return bytes.subarray(0, offset);
      case 'append':
        return Buffer.concat([bytes, bytes.subarray(0, offset + 1)]);
      case 'zero':
        return bytes.fill(0, offset, Math.min(bytes.length, offset + 1 + bit * 16));
      case 'repeat':
        return Buffer.concat([bytes, bytes]);
      case 'other':
        return base.store.objects.get(base.keys[Math.floor(at * base.keys.length)]!)!;
      case 'empty':
        return Buffer.alloc(0);
      default:
        return how satisfies never;
    }
  };

  test('are never taken for it: each reader says so, with the name of a file', async () => {
    await fc.assert(
      fc.asyncProperty(spoils, async (spoil) => {
        const bytes = spoiled(spoil);
        const digest = await useSpoiled((store) => void store.objects.set(spoil.key, bytes));
        const same = bytes.equals(base.store.objects.get(spoil.key)!);
        // A pack whose header alone is hit still gives its blobs; whatever is given is right.
        assert.ok(digest === undefined || digest === base.digest, 'other content than was saved');
        if (!same && !spoil.key.startsWith('data/')) assert.equal(digest, undefined);
      }),
      runs(60),
    );
  });
});

describe('sealed nonsense', () => {
  for (const [kind, count] of Object.entries({ config: 40, 'index/': 80, 'snapshots/': 50 })) {
    test(`in ${kind} is refused with its name, or leads to nothing but what was saved`, async () => {
      const [key] = keysUnder(kind);
      await fc.assert(
        fc.asyncProperty(hostileJson(base.forge.plainOf(key!).toString()), async (json) => {
          const digest = await useSpoiled((_store, forge) => void forge.replace(key!, Buffer.from(json)));
          // A snapshot may name another tree: then it is that one which is read, whole and verified.
          if (digest !== undefined && kind !== 'snapshots/') assert.ok([base.digest, nothing].includes(digest));
        }),
        runs(count),
      );
    });
  }

  test('in a tree is refused with its name, or is a tree', async () => {
    await using repository = await openRepository(base.store, { password });
    const [snapshot] = await repository.snapshots();
    const [first] = await repository.loadTree(snapshot!.tree);
    const sound = await repository.loadBlob('tree', first!.subtree!);
    await fc.assert(
      fc.asyncProperty(hostileJson(sound.toString()), async (json) => {
        await useSpoiled(async (store) => {
          await using writer = await openRepository(store, { password });
          const { id } = await writer.saveBlob('tree', Buffer.from(json));
          const root = await writer.saveTree([node('dir', { type: 'dir', subtree: id })]);
          await writer.saveSnapshot(snapshotOf(root.id));
        });
      }),
      runs(50),
    );
  });

  test('in a lock keeps others out with its name, or is a lock', async () => {
    const store = copyObjects(base.store, createMemoryStore());
    await using repository = await openRepository(store, { password });
    const holder = { hostname: 'elsewhere', username: 'x', pid: 7, uid: 1, gid: 1 };
    const sound = JSON.stringify({ time: '2026-11-25T00:00:00Z', exclusive: true, ...holder });
    const forge = await createForge(store);
    await fc.assert(
      fc.asyncProperty(hostileJson(sound), async (json) => {
        const key = forge.replace('locks/new', Buffer.from(json));
        try {
          await (await repository.lock('shared'))[Symbol.asyncDispose]();
        } catch (error) {
          if (error instanceof SalvorError && error.code === 'RepositoryLocked') assertPrintable(error.message);
          else assertTyped(error);
        }
        store.objects.delete(key);
      }),
      runs(40),
    );
  });

  test('in a key file, which nobody seals, is refused with its name and costs no more than a key may', async () => {
    const [key] = keysUnder('keys/');
    await fc.assert(
      fc.asyncProperty(hostileJson(base.store.objects.get(key!)!.toString()), async (json) => {
        await useSpoiled((store) => {
          store.objects.delete(key!);
          store.objects.set(`keys/${fileId(Buffer.from(json))}`, Buffer.from(json));
        });
      }),
      runs(40),
    );
  });

  test('in the costs of a key is refused before it takes the memory or the time', async () => {
    const [key] = keysUnder('keys/');
    const sound = JSON.parse(base.store.objects.get(key!)!.toString()) as object;
    for (const cost of [
      { N: 2, r: 1, p: 2 ** 24 },
      { N: 2 ** 24, r: 8 },
      { N: 2, r: 2 ** 22, p: 4 },
      { N: 3 },
      { N: 2 ** 20, r: 8, p: 8 },
    ]) {
      const file = Buffer.from(JSON.stringify({ ...sound, ...cost }));
      const store = copyObjects(base.store, createMemoryStore());
      store.objects.delete(key!);
      store.objects.set(`keys/${fileId(file)}`, file);
      await assert.rejects(openRepository(store, { password }), {
        message: new RegExp(`${fileId(file)}.* not acceptable`),
      });
    }
  });

  test('in the header of a pack is found by the check; what is read is right or an error', async () => {
    const [key] = keysUnder('data/');
    const pack = base.store.objects.get(key!)!;
    const blobs = readHeader(pack, base.forge.sealer, key!);
    const header = encodeHeader(blobs);
    const bodies = pack.subarray(
      0,
      blobs.reduce((sum, { length }) => sum + length, 0),
    );
    const changes = fc.array(fc.tuple(fc.nat(header.length - 1), fc.constantFrom(0, 1, 2, 3, 4, 127, 128, 255)), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(header.length), fc.boolean(), async (edits, keep, whole) => {
        const forged = Buffer.from(header);
        for (const [at, byte] of edits) forged[at] = byte;
        const plain = whole ? forged : forged.subarray(0, keep);
        const digest = await useSpoiled((store, forge) => {
          const body = Buffer.concat([bodies, sealedHeader(forge.sealer, plain)]);
          const id = fileId(body);
          store.objects.delete(key!);
          store.objects.set(packKey(id), body);
          for (const index of keysUnder('index/')) {
            forge.replace(index, Buffer.from(forge.plainOf(index).toString().replaceAll(key!.slice(8), id)));
          }
        });
        assert.equal(digest, base.digest, 'the index alone leads to the blobs');
      }),
      runs(40),
    );
  });
});

/** The digest of a repository whose only snapshot is gone, or whose tree is empty. */
const nothing = hash('sha256', '');

describe('lies about blobs', () => {
  const claimed = blobId(Buffer.from('claimed'));

  test('an index that places blobs beyond their pack, over each other, or in no pack gives errors that name them', async () => {
    const [key] = keysUnder('data/');
    const id = key!.slice(8);
    const size = base.store.objects.get(key!)!.length;
    const lies: readonly (readonly [offset: number, length: number, pack?: string])[] = [
      [size - 40, 80],
      [0, size],
      [1, 64],
      [size, 32],
      [4_294_967_295, 32],
      [0, 33, 'e'.repeat(64)],
    ];
    for (const [offset, length, pack = id] of lies) {
      const lie = { type: 'data', id: claimed, offset, length, uncompressedLength: 0 } as const;
      await useSpoiled((store, forge) => {
        const stored = forge.sealer.seal(Buffer.from(encodeIndex([{ id: pack, blobs: [lie, lie] }])));
        store.objects.set(`index/${fileId(stored)}`, stored);
      });
    }
  });

  test('a blob that decompresses to more than it says, or says more than it may, is refused before it fills memory', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(DATA_BLOB_BYTES_MAX + 1));
    for (const uncompressedLength of [
      1,
      100,
      DATA_BLOB_BYTES_MAX,
      DATA_BLOB_BYTES_MAX + 1,
      BLOB_BYTES_MAX,
      0xffffffff,
    ]) {
      const store = copyObjects(base.store, createMemoryStore());
      (await createForge(store)).addPack([{ type: 'data', id: claimed, content: bomb, uncompressedLength }]);
      const read = async (): Promise<unknown> => {
        await using repository = await openRepository(store, { password });
        return await repository.loadBlob('data', claimed);
      };
      await assert.rejects(read(), { code: 'RepositoryCorrupt', message: new RegExp(claimed) });
    }
  });

  test('frames that are no zstd, are cut, need a dictionary or are followed by others are refused by name', async () => {
    const plain = Buffer.from('plain '.repeat(100));
    const id = blobId(plain);
    const frame = zstdCompressSync(plain);
    const withDictionary = Buffer.from('28b52ffd2301020304050607080100006161616161', 'hex');
    const frames = [plain, frame.subarray(0, -3), withDictionary, Buffer.concat([frame, frame]), Buffer.alloc(0)];
    for (const content of frames) {
      const store = copyObjects(base.store, createMemoryStore());
      (await createForge(store)).addPack([{ type: 'data', id, content, uncompressedLength: plain.length }]);
      await using repository = await openRepository(store, { password });
      await assert.rejects(repository.loadBlob('data', id), { code: 'RepositoryCorrupt', message: new RegExp(id) });
    }
  });

  test('a tree under a false id is refused: with honest hashes no directory can contain itself', async () => {
    const store = copyObjects(base.store, createMemoryStore());
    const tree = Buffer.from(
      `{"nodes":[{"name":"d","type":"dir","mtime":"2026-01-01T00:00:00Z","atime":"2026-01-01T00:00:00Z","ctime":"2026-01-01T00:00:00Z","uid":0,"gid":0,"subtree":"${claimed}"}]}`,
    );
    (await createForge(store)).addPack([{ type: 'tree', id: claimed, content: tree, uncompressedLength: 0 }]);
    await using repository = await openRepository(store, { password });
    const walk = Array.fromAsync(walkTree(repository, claimed));
    await assert.rejects(walk, { code: 'RepositoryCorrupt', message: /its hash is not its id/ });
  });

  test('directories nested without end are followed to a depth, and no further', async () => {
    await using repository = await createTestRepository(createMemoryStore());
    let { id } = await repository.saveTree([]);
    for (let depth = 0; depth < 2100; depth++)
      ({ id } = await repository.saveTree([node('d', { type: 'dir', subtree: id })]));
    await repository.saveSnapshot(snapshotOf(id));
    await assert.rejects(Array.fromAsync(walkTree(repository, id)), {
      code: 'RepositoryCorrupt',
      message: /deeper than/,
    });
  });

  test('a tree that names the next one twice, sixty levels deep, is checked in the time of sixty trees', async () => {
    const store = createMemoryStore();
    await using repository = await createTestRepository(store);
    let { id } = await repository.saveTree([]);
    for (let level = 0; level < 60; level++) {
      ({ id } = await repository.saveTree([
        node('a', { type: 'dir', subtree: id }),
        node('b', { type: 'dir', subtree: id }),
      ]));
    }
    await repository.saveSnapshot(snapshotOf(id));
    const report = await checkRepository(store, { password, readData: true });
    assert.deepEqual([report.problems, report.trees], [[], 61]);
  });
});
