import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { MemoryStore } from '#stores/memory/memory-store';
import { createTestRepository, identity, password } from './fixtures.ts';
import type { Identity } from './identity.ts';
import { openRepository } from './repository.ts';
import type { Repository } from './types.ts';

const MINUTE = 60_000;

/** A clock that stands until it is moved; who sleeps is woken when his time has come. */
interface ManualClock extends Clock {
  readonly advance: (ms: number) => Promise<void>;
}

function manualClock(): ManualClock {
  let now = Date.UTC(2026, 10, 23);
  const sleepers = new Map<() => void, number>();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  };
  return {
    now: () => now,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      sleepers.set(resolve, now + ms);
      signal?.addEventListener('abort', () => {
        sleepers.delete(resolve);
        reject(signal.reason);
      });
      await promise;
    },
    async advance(ms) {
      await settle();
      now += ms;
      for (const [wake, due] of sleepers) {
        if (due > now) continue;
        sleepers.delete(wake);
        wake();
      }
      await settle();
    },
  };
}

interface Scene {
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly open: (who?: Partial<Identity>) => Promise<Repository>;
  readonly locks: () => string[];
}

async function scene(): Promise<Scene> {
  const store = createMemoryStore();
  const clock = manualClock();
  await createTestRepository(store);
  return {
    store,
    clock,
    open: async (who) => openRepository(store, { password, clock, identity: { ...identity, ...who } }),
    locks: () => [...store.objects.keys()].filter((key) => key.startsWith('locks/')),
  };
}

const locked = { code: 'RepositoryLocked' };

test('shared locks go together, exclusive ones do not, and all are given back', async () => {
  const { open, locks } = await scene();
  await using one = await open();
  await using two = await open({ hostname: 'other' });
  {
    await using _first = await one.lock('shared');
    await using _second = await two.lock('shared');
    assert.equal(locks().length, 2);
    await assert.rejects(two.lock('exclusive'), locked);
    assert.equal(locks().length, 2);
  }
  assert.equal(locks().length, 0);
  {
    await using _only = await one.lock('exclusive');
    await assert.rejects(two.lock('shared'), locked);
    await assert.rejects(two.lock('exclusive'), locked);
    await assert.rejects(one.lock('shared'), locked);
  }
  assert.equal(locks().length, 0);
});

test('the error names who holds the lock and for how long', async () => {
  const { open, clock } = await scene();
  await using holder = await open({ hostname: 'mover-1', username: 'ann' });
  await using other = await open();
  await using _lock = await holder.lock('exclusive');
  await clock.advance(3 * MINUTE);
  await assert.rejects(other.lock('shared'), (error: unknown) => {
    assert.ok(error instanceof SalvorError);
    assert.match(error.message, new RegExp(`locked exclusively by ann@mover-1, process ${process.pid}, .* 3 min ago`));
    assert.match(`${error.hint}`, /repo unlock/);
    return true;
  });
});

test('of those who lock exclusively at the same moment at most one succeeds', async () => {
  for (let round = 0; round < 5; round++) {
    const { open, locks } = await scene();
    const all = await Promise.all(['a', 'b', 'c'].map(async (hostname) => open({ hostname })));
    const results = await Promise.allSettled(all.map(async (repository) => repository.lock('exclusive')));
    const won = results.filter((result) => result.status === 'fulfilled');
    assert.ok(won.length <= 1);
    assert.equal(locks().length, won.length);
    for (const result of won) await result.value[Symbol.asyncDispose]();
  }
});

test('a held lock is refreshed every five minutes, so that it never looks stale', async () => {
  const { open, clock, locks } = await scene();
  await using holder = await open({ hostname: 'far' });
  await using other = await open();
  await using lock = await holder.lock('exclusive');
  const names = new Set(locks());
  for (let passed = 0; passed < 60; passed += 5) {
    await clock.advance(5 * MINUTE);
    assert.equal(locks().length, 1);
    names.add(locks()[0]!);
    await assert.rejects(other.lock('shared'), locked);
  }
  assert.equal(names.size, 13);
  assert.equal(lock.lost.aborted, false);
});

test('a lock that nobody refreshed for thirty minutes is stale and is removed', async () => {
  const { store, open, clock, locks } = await scene();
  await using holder = await open({ hostname: 'far' });
  const lock = await holder.lock('exclusive');
  const left = new Map([...store.objects].filter(([key]) => key.startsWith('locks/')));
  await lock[Symbol.asyncDispose]();
  for (const [key, body] of left) store.objects.set(key, body);
  await using other = await open();
  await clock.advance(30 * MINUTE);
  await assert.rejects(other.lock('shared'), locked);
  await clock.advance(1);
  await using _mine = await other.lock('exclusive');
  assert.equal(locks().length, 1);
  assert.ok(!left.has(locks()[0]!));
});

test('a lock of a dead process of this host is stale, of another host it is not', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  for (const [hostname, isStale] of [
    [identity.hostname, true],
    ['elsewhere', false],
  ] as const) {
    const { open } = await scene();
    const dead = await open({ pid, hostname });
    await dead.lock('exclusive');
    await using other = await open();
    if (isStale) await (await other.lock('exclusive'))[Symbol.asyncDispose]();
    else await assert.rejects(other.lock('exclusive'), locked);
  }
});

test('a holder whose lock was removed by force is told', async () => {
  const { store, open, clock, locks } = await scene();
  await using holder = await open();
  await using lock = await holder.lock('shared');
  for (const key of locks()) store.objects.delete(key);
  await clock.advance(5 * MINUTE);
  assert.equal(lock.lost.aborted, true);
  assert.match(String(lock.lost.reason), /removed by someone/);
});

test('a holder who cannot refresh is told before others may take the lock for stale', async () => {
  const { store, open, clock } = await scene();
  await using holder = await open();
  await using lock = await holder.lock('shared');
  Object.assign(store, {
    async put() {
      throw new SalvorError('down', { code: 'StoreUnreachable', retryable: true });
    },
  });
  let passed = 0;
  for (; passed < 40 && !lock.lost.aborted; passed++) await clock.advance(MINUTE);
  assert.ok(passed > 20 && passed < 26, String(passed));
});

test('an empty lock file, as a crash leaves it on stores that do not write at once, keeps nobody out', async () => {
  const store = createMemoryStore();
  await using repository = await createTestRepository(store);
  store.objects.set(`locks/${'0'.repeat(64)}`, Buffer.alloc(0));
  await using _lock = await repository.lock('exclusive');
});

test('a lock that cannot be read keeps everybody out', async () => {
  const { store, open } = await scene();
  store.objects.set(`locks/${'0'.repeat(64)}`, Buffer.from('junk'));
  await using repository = await open();
  await assert.rejects(repository.lock('shared'), { code: 'RepositoryCorrupt' });
});

test('a lock that cannot be given back does not hide how the work ended', async () => {
  const { store, open } = await scene();
  await using repository = await open();
  const work = async (): Promise<void> => {
    await using _lock = await repository.lock('shared');
    Object.assign(store, {
      async delete() {
        throw new SalvorError('down', { code: 'StoreUnreachable', retryable: true });
      },
    });
    throw new SalvorError('the reason', { code: 'SourceUnreadable' });
  };
  await assert.rejects(work(), { code: 'SourceUnreadable' });
});
