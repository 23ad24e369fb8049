import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { checkRepository } from '../check.ts';
import { findNode, readContent } from '../find.ts';
import { createTestRepository, identity, password, saveFile } from '../fixtures.ts';
import type { Saved } from '../fixtures.ts';
import { copyObjects } from '../forge.fixture.ts';
import { openRepository } from '../repository.ts';
import type { SnapshotId } from '../types.ts';
import { openAccess } from './access.ts';
import type { Access } from './access.ts';
import { pruneRepository } from './prune.ts';
import type { PruneReport, PruneRequest } from './prune.ts';

/** For tests of a repository's care: what several of them need. */

/** A repository with `/dir/file` in several snapshots, of which some bytes are shared. */
export interface Scene {
  readonly store: MemoryStore;
  /** By name: the bytes of its file, blob by blob. */
  readonly pieces: ReadonlyMap<string, readonly Buffer[]>;
  readonly saved: ReadonlyMap<string, Saved>;
}

const piece = (seed: string): Buffer => Buffer.from(`${seed} `.repeat(50) + randomBytes(300).toString('latin1'));

/**
 * `first` has the pieces a, b, c; `second` b, d; `third` e. Each was written by its own run, so each has packs and an
 * index of its own: without `first`, its pack is needed for b alone.
 */
export async function makeScene(version: 1 | 2 = 2): Promise<Scene> {
  const store = createMemoryStore();
  const letters = new Map(['a', 'b', 'c', 'd', 'e'].map((name) => [name, piece(name)]));
  const saved = new Map<string, Saved>();
  const pieces = new Map<string, readonly Buffer[]>();
  await using _made = await createTestRepository(store, version);
  for (const [index, [name, parts]] of Object.entries({ first: 'abc', second: 'bd', third: 'e' }).entries()) {
    const file = parts.split('').map((part) => letters.get(part) ?? Buffer.alloc(0));
    await using repository = await openRepository(store, { password, identity });
    saved.set(name, await saveFile(repository, file, `2026-0${index + 1}-01T00:00:00Z`));
    pieces.set(name, file);
  }
  return { store, saved, pieces };
}

export function keysUnder(store: MemoryStore, prefix: string): string[] {
  return [...store.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
}

export async function access(store: Store, who: Partial<Access> = {}): Promise<Access> {
  return { ...(await openAccess(store, { password, identity })), ...who };
}

export async function forget(scene: Scene, name: string): Promise<void> {
  await using repository = await openRepository(scene.store, { password, identity });
  await repository.deleteSnapshot(scene.saved.get(name)?.snapshot as SnapshotId);
}

export const pruneAll: PruneRequest = {
  maxUnused: { kind: 'bytes', bytes: 0 },
  maxRepackBytes: undefined,
  exclusive: false,
  dryRun: false,
};

export async function prune(store: Store, request: Partial<PruneRequest> = {}): Promise<PruneReport> {
  return pruneRepository(await access(store), { ...pruneAll, ...request });
}

/** The repository is whole, and every snapshot that is there gives its bytes. */
export async function assertWhole(scene: Scene): Promise<void> {
  const { store } = scene;
  assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
  await using repository = await openRepository(store, { password, identity });
  const there = new Set<string>((await repository.snapshots()).map(({ id }) => id));
  for (const [name, { root, snapshot }] of scene.saved) {
    if (!there.has(snapshot)) continue;
    const file = await findNode(repository, root, '/dir/file');
    assert.ok(file !== undefined, name);
    const bytes = Buffer.concat(await Array.fromAsync(readContent(repository, file)));
    assert.ok(bytes.equals(Buffer.concat(scene.pieces.get(name) ?? [])), name);
  }
}

/** A copy of everything in the store. */
export function copyOf(scene: Scene): Scene {
  return { ...scene, store: copyObjects(scene.store, createMemoryStore()) };
}
