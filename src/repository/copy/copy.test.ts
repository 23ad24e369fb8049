import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import { SalvorError } from '#shared/errors';
import type { Store } from '#stores/store';
import { openAccess } from '../care/access.ts';
import type { Access } from '../care/access.ts';
import { access, copyOf, keysUnder, makeScene } from '../care/scene.fixture.ts';
import type { Scene } from '../care/scene.fixture.ts';
import { checkRepository } from '../check.ts';
import { dyingStore } from '../dying-store.fixture.ts';
import { findNode, readContent } from '../find.ts';
import { cheapKdf, identity } from '../fixtures.ts';
import { dead } from '../kill.fixture.ts';
import { packKey } from '../pack.ts';
import { createRepository, openRepository } from '../repository.ts';
import { copySnapshots } from './copy.ts';
import type { CopyReport } from './copy.ts';

const password = 'another horse';
const source = await makeScene();
const empty = createMemoryStore();
await using _made = await createRepository(empty, { password, kdf: cheapKdf, identity });

function newTarget(): MemoryStore {
  const store = createMemoryStore();
  for (const [key, body] of empty.objects) store.objects.set(key, body);
  return store;
}

const open = async (store: Store, who: Partial<Access> = {}): Promise<Access> => ({
  ...(await openAccess(store, { password, identity })),
  ...who,
});

async function copy(from: Scene, to: Store, ids: readonly string[] = []): Promise<CopyReport> {
  return copySnapshots(await access(from.store), await open(to), { ids });
}

const statesOf = ({ snapshots }: CopyReport): string[] => snapshots.map(({ state }) => state);
const idOf = (name: string): string => source.saved.get(name)?.snapshot ?? assert.fail(name);

/** The target is whole, and these snapshots of the source have their bytes there. */
async function assertCopied(store: MemoryStore, names: readonly string[]): Promise<void> {
  assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
  await using repository = await openRepository(store, { password, identity });
  const snapshots = await repository.snapshots();
  assert.deepEqual(new Set(snapshots.map(({ original }) => original)), new Set(names.map(idOf)));
  for (const name of names) {
    const snapshot = snapshots.find(({ original }) => original === idOf(name)) ?? assert.fail(name);
    const file = (await findNode(repository, snapshot.tree, '/dir/file')) ?? assert.fail(name);
    const bytes = Buffer.concat(await Array.fromAsync(readContent(repository, file)));
    assert.ok(bytes.equals(Buffer.concat(source.pieces.get(name) ?? [])));
  }
}

test('snapshots are copied into a repository with another key, and once only', async () => {
  const target = newTarget();
  const first = await copy(source, target);
  assert.deepEqual(statesOf(first), ['copied', 'copied', 'copied']);
  await assertCopied(target, ['first', 'second', 'third']);
  const packs = keysUnder(target, 'data/');
  assert.equal(packs.length, 2, 'what small snapshots need shares packs');
  const again = await copy(source, target);
  assert.deepEqual([...statesOf(again), again.blobs], ['there already', 'there already', 'there already', 0]);
  assert.deepEqual(keysUnder(target, 'data/'), packs);
  assert.deepEqual(keysUnder(target, 'locks/'), []);
});

test('a snapshot that is copied back is known to be the same', async () => {
  const target = newTarget();
  await copy(source, target);
  const back = await copySnapshots(await open(target), await access(copyOf(source).store), { ids: [] });
  assert.deepEqual(statesOf(back), ['there already', 'there already', 'there already']);
});

test('of chosen snapshots what the target has is not stored again, and what is compressed stays as it is', async () => {
  const target = newTarget();
  const first = await copy(source, target, [idOf('first')]);
  const second = await copy(source, target, [idOf('second').slice(0, 8)]);
  // Of the two pieces of the second one is in the first; a folder and a root are new.
  assert.equal(second.blobs, 3);
  assert.ok(first.bytes < 3 * 900, 'the pieces were stored uncompressed');
  await assertCopied(target, ['first', 'second']);
  await assert.rejects(copy(source, target, ['ffffffff']), { code: 'NotFound' });
});

test('versions of the format are translated', async () => {
  const oldScene = await makeScene(1);
  const target = newTarget();
  await copy(oldScene, target);
  assert.deepEqual((await checkRepository(target, { password, readData: true })).problems, []);
  const old = createMemoryStore();
  await using _old = await createRepository(old, { password, kdf: cheapKdf, identity, version: 1 });
  await copy(source, old);
  await assertCopied(old, ['first', 'second', 'third']);
});

test('a copy that is killed at any change is finished by the next', async () => {
  const counted = dyingStore(newTarget(), { at: Infinity, how: 'before' });
  await copy(source, counted);
  for (let at = 0; at < counted.changes; at++) {
    const target = newTarget();
    const doomed = dyingStore(target, { at, how: 'torn' });
    const from = await access(source.store);
    await copySnapshots(from, await open(doomed, { identity: dead }), { ids: [] }).catch(() => undefined);
    assert.ok(doomed.isDead);
    assert.deepEqual((await checkRepository(target, { password, readData: true })).problems, []);
    await copy(source, target);
    await assertCopied(target, ['first', 'second', 'third']);
  }
});

test('a snapshot that the source does not have whole is told, and the others are copied', async () => {
  const damaged = copyOf(source);
  const piece = source.saved.get('first')?.content[2] ?? assert.fail();
  await using repository = await openRepository(damaged.store, { password: 'correct horse', identity });
  await repository.refresh();
  const place = repository.findBlob('data', piece) ?? assert.fail();
  const body = Buffer.from(damaged.store.objects.get(packKey(place.packId)) ?? assert.fail());
  body[place.offset + 20]! ^= 1;
  damaged.store.objects.set(packKey(place.packId), body);
  const target = newTarget();
  const report = await copy(damaged, target);
  const failed = report.snapshots.find(({ state }) => state === 'failed') ?? assert.fail();
  assert.equal(failed.id, idOf('first'));
  assert.match(failed.why ?? '', new RegExp(`"file" needs the blob ${piece}`));
  await assertCopied(target, ['second', 'third']);
  // The source is mended: the next copy brings the rest.
  assert.deepEqual(statesOf(await copy(source, target)).filter((state) => state === 'copied').length, 1);
  await assertCopied(target, ['first', 'second', 'third']);
});

test('who may only read the source can copy, and a source that loses a pack meanwhile ends in words', async () => {
  const target = newTarget();
  const readOnly: Store = {
    ...source.store,
    put: async () => {
      throw denied();
    },
  };
  const report = await copySnapshots(await access(readOnly), await open(target), { ids: [] });
  assert.deepEqual(statesOf(report), ['copied', 'copied', 'copied']);
  const lost = copyOf(source);
  for (const key of keysUnder(lost.store, 'data/')) lost.store.objects.delete(key);
  const nothing = await copy(lost, newTarget());
  assert.deepEqual(statesOf(nothing), ['failed', 'failed', 'failed']);
  assert.match(nothing.snapshots[0]?.why ?? '', /pack [0-9a-f]{64} is missing/);
});

function denied(): Error {
  return new SalvorError('Not allowed', { code: 'StoreAccessDenied' });
}
