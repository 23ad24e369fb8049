import assert from 'node:assert/strict';
import type { Store } from '#stores/store';
import { dyingStore } from '../dying-store.fixture.ts';
import type { Death } from '../dying-store.fixture.ts';
import { password, identity, saveFile } from '../fixtures.ts';
import { dead } from '../kill.fixture.ts';
import { openRepository } from '../repository.ts';
import { pruneRepository } from './prune.ts';
import { access, assertWhole, copyOf, forget, keysUnder, makeScene, prune, pruneAll } from './scene.fixture.ts';
import type { Scene } from './scene.fixture.ts';

/** For tests: what happens at one moment of a prune. Moments are the changes it makes to the store, counted from 0. */

/** What is there to do for a prune that is killed or disturbed. */
export const scenes = {
  'packs to delete and to rewrite, and an orphan': makeWork,
  'packs that an earlier prune marked': makeMarked,
} as const satisfies Record<string, () => Promise<Scene>>;

/** Version 1 does not compress, which takes most of the time here, and is the same in all else. */
async function makeWork(): Promise<Scene> {
  const scene = await makeScene(1);
  await forget(scene, 'first');
  scene.store.objects.set(`data/ab/ab${'0'.repeat(62)}`, Buffer.from('orphan'));
  return scene;
}

async function makeMarked(): Promise<Scene> {
  const scene = await makeWork();
  await pruneBesideWriter(scene);
  return scene;
}

/** How many changes a prune of this makes when nothing happens. */
export async function countChanges(base: Scene): Promise<number> {
  const counted = dyingStore(copyOf(base).store, { at: Infinity, how: 'before' });
  await prune(counted);
  return counted.changes;
}

/** Kills a prune at its moment. What is left is sound, and the next prune does the rest, without help. */
export async function killPrune(base: Scene, death: Death): Promise<void> {
  const scene = copyOf(base);
  const doomed = await access(dyingStore(scene.store, death), { identity: dead });
  await pruneRepository(doomed, pruneAll).catch(() => undefined);
  await assertWhole(scene);
  await pruneBesideWriter(scene);
  await assertWhole(scene);
  await prune(scene.store);
  await assertWhole(scene);
  // A prune that died while it deleted may have left marks only, so this one may still have had to write indexes.
  const report = await prune(scene.store);
  assert.deepEqual([report.deletedPacks, report.markedPacks, report.repackedPacks], [0, 0, 0]);
  assert.equal(keysUnder(scene.store, 'data/').length, 5);
  assert.deepEqual(keysUnder(scene.store, 'locks/'), []);
}

/** With a writer at work, a prune lists what it marks: it must not list what the dead one had deleted. */
async function pruneBesideWriter(scene: Scene): Promise<void> {
  await using writer = await openRepository(scene.store, { password, identity });
  await using _lock = await writer.lock('shared');
  await prune(scene.store);
}

/** When a writer takes its lock, and when it has written its snapshot and gives the lock back. */
export const courses = ['within', 'from before', 'beyond'] as const;
export type Course = (typeof courses)[number];

/**
 * A writer relies on what is about to be deleted: it stores again the file of the snapshot that was forgotten.
 * Whenever it comes and goes, its snapshot is whole afterwards.
 */
export async function disturbPrune(base: Scene, moment: number, course: Course): Promise<void> {
  const scene = copyOf(base);
  const pieces = base.pieces.get('first') ?? assert.fail();
  await using stack = new AsyncDisposableStack();
  const writer = stack.use(await openRepository(scene.store, { password, identity }));
  // It knows what there is from before, and would not look again without its lock.
  await writer.refresh();
  let isStarted = false;
  let isOver = false;
  const start = async (): Promise<void> => {
    isStarted = true;
    stack.use(await writer.lock('shared'));
  };
  const end = async (): Promise<void> => {
    isOver = true;
    await saveFile(writer, pieces);
    await stack.disposeAsync();
  };
  if (course === 'from before') await start();
  await prune(
    watched(scene.store, async (change) => {
      if (change !== moment) return;
      if (!isStarted) await start();
      if (course !== 'beyond') await end();
    }),
  );
  // With somebody at work a prune has fewer changes to make: the moment may be past its end.
  if (!isStarted) await start();
  if (!isOver) await end();
  await assertWhole(scene);
  await prune(scene.store);
  await assertWhole(scene);
}

/** Calls `at` before each change that is made to the store. */
function watched(store: Store, at: (change: number) => Promise<void>): Store {
  let changes = 0;
  return {
    ...store,
    async put(key, body, options) {
      await at(changes++);
      return store.put(key, body, options);
    },
    async delete(key, options) {
      await at(changes++);
      return store.delete(key, options);
    },
  };
}
