import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { withFileLock } from './lock.ts';

const folder = await mkdtemp(join(tmpdir(), 'salvor-lock-'));
after(() => rm(folder, { recursive: true }));

test('two holders of one lock never work at the same time, and the second is told that it waits', async () => {
  const lock = join(folder, 'one');
  const entered = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  const order: string[] = [];
  const first = withFileLock(lock, {}, async () => {
    entered.resolve();
    await waiting.promise;
    order.push('first');
  });
  await entered.promise;
  const second = withFileLock(lock, { onWait: () => waiting.resolve() }, async () => void order.push('second'));
  await Promise.all([first, second]);
  assert.deepEqual(order, ['first', 'second']);
});

test('a lock is free again after its holder failed', async () => {
  const lock = join(folder, 'two');
  await assert.rejects(
    withFileLock(lock, {}, () => Promise.reject(new Error('broken'))),
    /broken/,
  );
  assert.equal(await withFileLock(lock, {}, async () => 'mine'), 'mine');
});

test('who waits for a lock can be cancelled', async () => {
  const lock = join(folder, 'three');
  const stop = new AbortController();
  await withFileLock(lock, {}, async () => {
    const waiter = withFileLock(
      lock,
      { signal: stop.signal, onWait: () => stop.abort(new Error('cancelled')) },
      async () => {},
    );
    await assert.rejects(waiter, /cancelled/);
  });
});
