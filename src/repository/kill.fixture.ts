import assert from 'node:assert/strict';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { checkRepository } from './check.ts';
import { Killed, dyingStore } from './dying-store.fixture.ts';
import type { Death } from './dying-store.fixture.ts';
import { createTestRepository, identity, node, password, snapshotOf } from './fixtures.ts';
import { copyObjects, createForge } from './forge.fixture.ts';
import { openRepository } from './repository.ts';
import type { BlobId, SnapshotId } from './types.ts';

/** For tests: kills backups and looks at what is left. */

/** More changes than one backup makes. */
const changesMax = 40;

/** Who holds the locks: a process that is no more, on a host that others are on too (pids end at 2^22). */
export const dead = { ...identity, pid: 2 ** 22 + 1 };

/** Numbers from a seed (a linear congruential generator, Knuth's constants): a failure can be seen again. */
function numbersFrom(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) & (2n ** 64n - 1n);
    return Number(state >> 33n) % below;
  };
}

/** The files of one backup: pieces of which some are in every variant, so that they deduplicate against each other. */
function filesOf(variant: number): readonly (readonly Buffer[])[] {
  const number = numbersFrom(variant);
  return Array.from({ length: 1 + number(4) }, () =>
    Array.from({ length: 1 + number(3) }, () => Buffer.from(`piece ${number(12)} `.repeat(1 + number(20)))),
  );
}

/** One backup, from opening to giving the lock back. Flushes after some files, as a long one does. */
export async function backUp(
  store: Store,
  variant: number,
  onSnapshot?: (id: SnapshotId) => void,
): Promise<SnapshotId> {
  await using repository = await openRepository(store, { password, identity: dead });
  await using _lock = await repository.lock('shared');
  const number = numbersFrom(variant + 1000);
  const nodes = [];
  for (const [index, pieces] of filesOf(variant).entries()) {
    const content: BlobId[] = [];
    let size = 0;
    for (const piece of pieces) {
      content.push((await repository.saveBlob('data', piece)).id);
      size += piece.length;
    }
    const folder = await repository.saveTree([node('file', { type: 'file', size, content })]);
    nodes.push(node(`dir-${index}`, { type: 'dir', subtree: folder.id }));
    if (number(2) === 0) await repository.flush();
  }
  const root = await repository.saveTree(nodes);
  const id = await repository.saveSnapshot(snapshotOf(root.id));
  onSnapshot?.(id);
  return id;
}

/** How often each blob is listed in the index files. */
async function indexedBlobs(store: MemoryStore): Promise<Map<string, number>> {
  const forge = await createForge(store);
  const counts = new Map<string, number>();
  for (const key of store.objects.keys()) {
    if (!key.startsWith('index/')) continue;
    for (const [id] of forge
      .plainOf(key)
      .toString()
      .matchAll(/"id":"[0-9a-f]{64}","type"/g)) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

export async function assertSound(store: Store, snapshots: number, readData = true): Promise<void> {
  const report = await checkRepository(store, { password, readData });
  assert.deepEqual(report.problems, []);
  assert.equal(report.snapshots, snapshots);
}

/** Kills a backup of this variant at each change that it makes; answers how many kills that were. */
export async function killAtEachChange(variant: number, how: Death['how']): Promise<number> {
  const base = createMemoryStore();
  // Version 1 does not compress, which takes most of the time here, and is the same in all else.
  await createTestRepository(base, variant % 4 === 0 ? 2 : 1);
  await backUp(base, variant + 1);
  for (let at = 0; at < changesMax; at++) {
    if (await killAndGoOn(base, variant, { at, how })) return at;
  }
  throw new Error(`The variant ${variant} makes more than ${changesMax} changes`);
}

/** Kills one backup on top of another, looks at what is there, and backs up again. Answers whether it lived to its end. */
async function killAndGoOn(base: MemoryStore, variant: number, death: Death): Promise<boolean> {
  const store = copyObjects(base, createMemoryStore());
  const dying = dyingStore(store, death);
  let acknowledged: SnapshotId | undefined;
  try {
    await backUp(dying, variant, (id) => {
      acknowledged = id;
    });
  } catch (error) {
    assert.ok(error instanceof Killed, String(error));
  }
  const snapshots = [...store.objects.keys()].filter((key) => key.startsWith('snapshots/')).length;
  // All of its content is there as well: the check reads it.
  if (acknowledged !== undefined) assert.ok(store.objects.has(`snapshots/${acknowledged}`));
  await assertSound(store, snapshots);

  const indexed = await indexedBlobs(store);
  await backUp(store, variant);
  // The packs of before were read above.
  await assertSound(store, snapshots + 1, false);
  const indexedNow = await indexedBlobs(store);
  for (const [blob, count] of indexed) assert.equal(indexedNow.get(blob), count, `${blob} was stored again`);
  const locks = [...store.objects.keys()].filter((key) => key.startsWith('locks/'));
  assert.deepEqual(locks, [], 'the lock of the dead was not removed');
  return !dying.isDead;
}
