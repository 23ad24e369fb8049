import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readlink, rm } from 'node:fs/promises';
import files from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { mock, test } from 'node:test';
import type { Store } from '../store.ts';
import { openDiskStore } from './disk-store.ts';

/**
 * What the store asks of the filesystem, in order, with paths below the store's parent: the calls are watched, and made.
 * Only the order can show that a power failure loses nothing; it cannot be cut here.
 */
async function watch(run: (store: Store, root: string) => Promise<void>): Promise<string[]> {
  const base = await mkdtemp(join(tmpdir(), 'salvor-durable-'));
  const root = join(base, 'store');
  const events: string[] = [];
  const nameOf = (path: string): string => relative(base, path).replace(/[0-9a-f]{24}/, 'STAGED') || '.';
  const handle = await open(base);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const sync: (this: FileHandle) => Promise<void> = Reflect.get(prototype, 'sync');
  const { rename, link } = files;
  mock.method(prototype, 'sync', async function watched(this: FileHandle) {
    events.push(`sync ${nameOf(await readlink(`/proc/self/fd/${this.fd}`))}`);
    return sync.call(this);
  });
  mock.method(files, 'rename', async (from: string, to: string) => {
    events.push(`rename ${nameOf(from)} ${nameOf(to)}`);
    return rename(from, to);
  });
  mock.method(files, 'link', async (from: string, to: string) => {
    events.push(`link ${nameOf(from)} ${nameOf(to)}`);
    return link(from, to);
  });
  syncBuiltinESMExports();
  try {
    await run(await openDiskStore(root), root);
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
    await rm(base, { recursive: true, force: true });
  }
  return events;
}

const staged = 'store/.salvor-tmp/STAGED';

test('an object is synced before it gets its name, and its folder after, and new folders from the top', async () => {
  const events = await watch(async (store) => {
    await store.put('data/ab/one', Buffer.from('x'));
  });
  assert.deepEqual(events, [
    'sync .',
    'sync store',
    'sync store',
    'sync store/data',
    `sync ${staged}`,
    `rename ${staged} store/data/ab/one`,
    'sync store/data/ab',
  ]);
});

test('folders are synced once, also those that another writer may have made and not synced', async () => {
  const events = await watch(async (store, root) => {
    await mkdir(join(root, 'data/ab'), { recursive: true });
    await store.put('data/ab/one', Buffer.from('x'));
    await store.put('data/ab/two', Buffer.from('x'), { ifAbsent: true });
    await store.put('data/ab/two', Buffer.from('x'), { ifAbsent: true });
  });
  assert.deepEqual(events, [
    'sync store',
    'sync store',
    'sync store/data',
    `sync ${staged}`,
    `rename ${staged} store/data/ab/one`,
    'sync store/data/ab',
    `sync ${staged}`,
    `link ${staged} store/data/ab/two`,
    'sync store/data/ab',
    `sync ${staged}`,
    `link ${staged} store/data/ab/two`,
  ]);
});

test('folders that were removed behind the store’s back are made and synced again', async () => {
  const events = await watch(async (store, root) => {
    await store.put('data/ab/one', Buffer.from('x'));
    await rm(join(root, 'data'), { recursive: true });
    await store.put('data/ab/one', Buffer.from('x'));
  });
  assert.deepEqual(events.slice(7), [
    'sync store',
    'sync store/data',
    `sync ${staged}`,
    `rename ${staged} store/data/ab/one`,
    'sync store/data/ab',
  ]);
});

test('a deletion is durable, too', async () => {
  const events = await watch(async (store) => {
    await store.put('one', Buffer.from('x'));
    await store.delete('one');
  });
  assert.deepEqual(events.slice(-2), ['sync store', 'sync store']);
});
