import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { identity, node, password, saveFile, snapshotOf } from '../fixtures.ts';
import { openRepository, unlock } from '../repository.ts';
import { encodeLock } from '../lock-file.ts';
import { saveFile as saveRepositoryFile } from '../files.ts';
import type { Repository } from '../types.ts';
import { assertWhole, copyOf, forget, keysUnder, makeScene, prune } from './scene.fixture.ts';
import type { Scene } from './scene.fixture.ts';

const packsOf = (store: MemoryStore): string[] => keysUnder(store, 'data/');
const open = async (store: Store): Promise<Repository> => openRepository(store, { password, identity });

function storedBytes(store: MemoryStore): number {
  return packsOf(store).reduce((sum, key) => sum + (store.objects.get(key)?.length ?? 0), 0);
}

describe('a prune with nobody else at work', () => {
  test('of a repository where everything is needed changes nothing', async () => {
    const scene = await makeScene();
    const before = keysUnder(scene.store, '');
    const report = await prune(scene.store);
    assert.deepEqual(keysUnder(scene.store, ''), before);
    assert.deepEqual([report.deletedPacks, report.markedPacks, report.repackedPacks], [0, 0, 0]);
  });

  test('deletes what was forgotten, rewrites what is needed in part, and keeps every byte of the rest', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    const bytes = storedBytes(scene.store);
    const report = await prune(scene.store);
    assert.deepEqual([report.deletedPacks, report.repackedPacks, report.markedPacks], [2, 1, 0]);
    assert.ok(storedBytes(scene.store) < bytes);
    await assertWhole(scene);
    const again = await prune(scene.store);
    assert.deepEqual([again.deletedPacks, again.repackedPacks, again.unusedBytesAfter], [0, 0, 0]);
  });

  test('leaves what is needed in part when the limit allows', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    const report = await prune(scene.store, { maxUnused: { kind: 'unlimited' } });
    assert.equal(report.repackedPacks, 0);
    assert.ok(report.unusedBytesAfter > 0);
    await assertWhole(scene);
  });

  test('of an empty repository, and of one whose snapshots are all forgotten, leaves no pack', async () => {
    const scene = await makeScene();
    for (const name of scene.saved.keys()) await forget(scene, name);
    await prune(scene.store);
    assert.deepEqual(packsOf(scene.store), []);
    assert.deepEqual(keysUnder(scene.store, 'index/'), []);
    assert.deepEqual((await prune(scene.store)).deletedPacks, 0);
  });

  test('collects packs that no index lists', async () => {
    const scene = await makeScene();
    const lost = `data/ab/ab${'0'.repeat(62)}`;
    scene.store.objects.set(lost, Buffer.from('of a writer that died'));
    const report = await prune(scene.store);
    assert.deepEqual([report.orphanPacks, report.deletedPacks], [1, 1]);
    assert.ok(!scene.store.objects.has(lost));
    await assertWhole(scene);
  });

  test('merges many small index files', async () => {
    const store = (await makeScene()).store;
    for (let run = 0; run < 5; run++) {
      await using writer = await open(store);
      await saveFile(writer, [Buffer.from(`run ${run}`)]);
    }
    assert.equal(keysUnder(store, 'index/').length, 8);
    await prune(store);
    assert.equal(keysUnder(store, 'index/').length, 1);
    assert.equal((await prune(store)).indexFilesReplaced, 0);
  });

  test('only says what it would do, if that is wanted', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    const before = keysUnder(scene.store, '');
    const report = await prune(scene.store, { dryRun: true });
    assert.ok(report.freedBytes > 0 && report.repackBytes > 0);
    assert.deepEqual(keysUnder(scene.store, ''), before);
  });

  test('stops rewriting at its budget of bytes', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    assert.equal((await prune(scene.store, { maxRepackBytes: 10 })).repackedPacks, 0);
    await assertWhole(scene);
  });

  test('keeps one copy of a blob that is stored twice', async () => {
    const scene = await makeScene();
    await using one = await open(scene.store);
    await using two = await open(scene.store);
    await two.refresh();
    for (const writer of [one, two]) await saveFile(writer, [Buffer.from('the same twice')]);
    const report = await prune(scene.store);
    assert.ok(report.deletedPacks >= 1);
    await assertWhole(scene);
    assert.deepEqual((await prune(scene.store)).deletedPacks, 0);
  });
});

describe('a prune while others are at work', () => {
  test('marks, and deletes when those have ended who were there', async () => {
    const scene = await makeScene();
    await using writer = await open(scene.store);
    await using lock = await writer.lock('shared');
    await forget(scene, 'third');
    const packs = packsOf(scene.store);
    const first = await prune(scene.store);
    assert.deepEqual([first.deletedPacks, first.markedPacks, packsOf(scene.store)], [0, 2, packs]);
    assert.match(first.waitingFor[0] ?? '', /tester@test-host/);
    await using late = await open(scene.store);
    await using _lateLock = await late.lock('shared');
    const second = await prune(scene.store);
    assert.deepEqual([second.deletedPacks, second.markedPacks], [0, 2]);
    await lock[Symbol.asyncDispose]();
    // One who came after the marking does not hold it up.
    const third = await prune(scene.store);
    assert.deepEqual([third.deletedPacks, third.markedPacks], [2, 0]);
    await assertWhole(scene);
  });

  test('lets what is marked be read, and lets nobody rely on it', async () => {
    const scene = await makeScene();
    await using writer = await open(scene.store);
    await using _lock = await writer.lock('shared');
    await forget(scene, 'third');
    const { content } = scene.saved.get('third')!;
    await prune(scene.store);
    await using reader = await open(scene.store);
    await reader.refresh();
    assert.ok((await reader.loadBlob('data', content[0]!)).equals(scene.pieces.get('third')![0]!));
    assert.deepEqual(
      [reader.hasBlob('data', content[0]!), reader.findBlob('data', content[0]!) !== undefined],
      [false, true],
    );
    assert.equal((await reader.saveBlob('data', scene.pieces.get('third')![0]!)).isNew, true);
  });

  test('brings back what one of them has relied on', async () => {
    const scene = await makeScene();
    await using writer = await open(scene.store);
    await using lock = await writer.lock('shared');
    await forget(scene, 'third');
    assert.equal((await prune(scene.store)).markedPacks, 2);
    // The writer knew the blob before it was marked: it stores nothing.
    assert.equal((await writer.saveBlob('data', scene.pieces.get('third')![0]!)).isNew, false);
    const { folder } = scene.saved.get('third')!;
    const root = await writer.saveTree([node('again', { type: 'dir', subtree: folder })]);
    await writer.saveSnapshot(snapshotOf(root.id));
    await assertWhole(scene);
    await lock[Symbol.asyncDispose]();
    const report = await prune(scene.store);
    assert.deepEqual([report.deletedPacks, report.rescuedPacks, report.markedPacks], [0, 2, 0]);
    await assertWhole(scene);
    await using next = await open(scene.store);
    await next.refresh();
    assert.equal(next.hasBlob('tree', folder), true);
  });

  test('does not delete packs of a writer who has not written his index yet', async () => {
    const scene = await makeScene();
    const orphan = `data/cd/cd${'1'.repeat(62)}`;
    await using writer = await open(scene.store);
    await using lock = await writer.lock('shared');
    scene.store.objects.set(orphan, Buffer.from('on its way'));
    assert.deepEqual([(await prune(scene.store)).deletedPacks, scene.store.objects.has(orphan)], [0, true]);
    await lock[Symbol.asyncDispose]();
    assert.deepEqual([(await prune(scene.store)).deletedPacks, scene.store.objects.has(orphan)], [1, false]);
  });

  test('waits for restic, which knows no marks, whenever it came', async () => {
    const scene = await makeScene();
    await forget(scene, 'third');
    const { sealer } = await unlock(scene.store, { password });
    const lock = JSON.parse(
      encodeLock({ mode: 'shared', session: 'x', identity, startedMs: Date.now(), nowMs: Date.now() }),
    ) as Record<string, unknown>;
    delete lock['salvor'];
    const vault = { store: scene.store, sealer, version: 2 } as const;
    const first = await saveRepositoryFile(vault, 'locks', JSON.stringify(lock));
    assert.equal((await prune(scene.store)).markedPacks, 2);
    scene.store.objects.delete(`locks/${first}`);
    // Another process of restic, after the marking.
    const second = await saveRepositoryFile(vault, 'locks', JSON.stringify({ ...lock, username: 'other' }));
    const waiting = await prune(scene.store);
    assert.deepEqual([waiting.deletedPacks, waiting.markedPacks], [0, 2]);
    scene.store.objects.delete(`locks/${second}`);
    assert.equal((await prune(scene.store)).deletedPacks, 2);
    await assertWhole(scene);
  });

  test('is refused while another prune or a check is at work, and lets writers in', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    let isReached = false;
    const between: Store = {
      ...scene.store,
      async delete(key, options) {
        if (!isReached && key.startsWith('index/') && !key.endsWith('000')) {
          isReached = true;
          await atThatMoment();
        }
        return scene.store.delete(key, options);
      },
    };
    const atThatMoment = async (): Promise<void> => {
      await assert.rejects(prune(scene.store), { code: 'RepositoryLocked', message: /being pruned/ });
      await assert.rejects(prune(scene.store, { exclusive: true }), { code: 'RepositoryLocked' });
      await using writer = await open(scene.store);
      await assert.rejects(writer.lock('check'), { code: 'RepositoryLocked', message: /being pruned/ });
      await using _lock = await writer.lock('shared');
      await saveFile(writer, [Buffer.from('written meanwhile')]);
    };
    await prune(between);
    assert.ok(isReached);
    await assertWhole(scene);
    await using checker = await open(scene.store);
    await using _check = await checker.lock('check');
    await assert.rejects(prune(scene.store), { code: 'RepositoryLocked', message: /being checked/ });
  });
});

describe('a prune refuses', () => {
  const untouched = async (scene: Scene, expected: object): Promise<void> => {
    const before = keysUnder(scene.store, 'data/');
    await assert.rejects(prune(scene.store), expected);
    assert.deepEqual(keysUnder(scene.store, 'data/'), before);
  };

  test('when a tree cannot be read, and names the snapshot', async () => {
    const scene = await makeScene();
    for (const key of packsOf(scene.store)) scene.store.objects.get(key)![40]! ^= 1;
    await untouched(scene, { code: 'RepositoryCorrupt', message: /The snapshot [0-9a-f]{64} of 2026/ });
  });

  test('when a snapshot cannot be read, and names it', async () => {
    const scene = await makeScene();
    const [snapshot] = keysUnder(scene.store, 'snapshots/');
    scene.store.objects.get(snapshot!)![20]! ^= 1;
    await untouched(scene, { code: 'RepositoryCorrupt', message: new RegExp(snapshot!) });
  });

  test('when an index is lost, instead of taking its packs for superfluous', async () => {
    const scene = await makeScene();
    scene.store.objects.delete(keysUnder(scene.store, 'index/')[0]!);
    await untouched(scene, { code: 'RepositoryCorrupt', message: /The snapshot .* is not whole/ });
  });

  test('when a pack is missing or cut', async () => {
    const scene = await makeScene();
    for (const key of packsOf(scene.store)) {
      const [gone, cut] = [copyOf(scene), copyOf(scene)];
      gone.store.objects.delete(key);
      await untouched(gone, { code: 'RepositoryCorrupt' });
      cut.store.objects.set(key, cut.store.objects.get(key)!.subarray(0, -1));
      await untouched(cut, { code: 'RepositoryCorrupt' });
    }
  });

  test('with credentials that may not delete, before it writes anything', async () => {
    const scene = await makeScene();
    await forget(scene, 'first');
    const before = keysUnder(scene.store, '');
    const appendOnly: Store = {
      ...scene.store,
      async delete() {
        throw new SalvorError('403', { code: 'StoreAccessDenied' });
      },
    };
    await assert.rejects(prune(appendOnly), { code: 'StoreAccessDenied', message: /may not delete/ });
    assert.deepEqual(keysUnder(scene.store, ''), before);
  });
});
