import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import { createTestRepository, identity, password } from '../fixtures.ts';
import { openRepository } from '../repository.ts';
import { removeLocks } from './remove-locks.ts';
import { access, keysUnder } from './scene.fixture.ts';

test('stale and empty locks are removed, and those in use only if all are to go', async () => {
  const store = createMemoryStore();
  await using _made = await createTestRepository(store, 1);
  await using holder = await openRepository(store, { password, identity });
  await using _lock = await holder.lock('shared');
  const [inUse] = keysUnder(store, 'locks/');
  const empty = `locks/${'a'.repeat(64)}`;
  const damaged = `locks/${'b'.repeat(64)}`;
  store.objects.set(empty, Buffer.alloc(0));
  store.objects.set(damaged, Buffer.from('not a lock'));
  const report = await removeLocks(await access(store), { all: false });
  assert.deepEqual(report.removed, ['a'.repeat(64)]);
  assert.match(report.kept.map(({ who }) => who).join('\n'), /tester@test-host, process \d+/);
  assert.match(report.kept.map(({ who }) => who).join('\n'), /cannot be read/);
  assert.deepEqual(new Set(keysUnder(store, 'locks/')), new Set([inUse, damaged]));
  const dead = await access(store, { identity: { ...identity, hostname: 'other' } });
  assert.equal((await removeLocks(dead, { all: true })).removed.length, 2);
  assert.deepEqual(keysUnder(store, 'locks/'), []);
});
