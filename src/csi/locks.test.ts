import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocks } from './locks.ts';

const never = new AbortController().signal;

test('calls on the same key run one after the other, in the order of their arrival', async () => {
  const locks = createLocks();
  const events: string[] = [];
  const first = Promise.withResolvers<void>();
  const calls = ['1', '2', '3'].map(async (name) =>
    locks(['a'], never, async () => {
      events.push(`begin ${name}`);
      if (name === '1') await first.promise;
      events.push(`end ${name}`);
    }),
  );
  first.resolve();
  await Promise.all(calls);
  assert.deepEqual(events, ['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
});

test('calls on other keys do not wait', async () => {
  const locks = createLocks();
  const held = Promise.withResolvers<void>();
  const waiting = locks(['a'], never, async () => held.promise);
  assert.equal(await locks(['b'], never, async () => 'done'), 'done');
  held.resolve();
  await waiting;
});

test('calls that share several keys cannot block each other', async () => {
  const locks = createLocks();
  const results = await Promise.all([
    locks(['a', 'b'], never, async () => 1),
    locks(['b', 'a'], never, async () => 2),
    locks(['a', 'a'], never, async () => 3),
  ]);
  assert.deepEqual(results, [1, 2, 3]);
});

test('a caller that goes away leaves the queue, and those behind still wait for those in front', async () => {
  const locks = createLocks();
  const events: string[] = [];
  const held = Promise.withResolvers<void>();
  const gone = new AbortController();
  const first = locks(['a'], never, async () => {
    await held.promise;
    events.push('first');
  });
  const second = locks(['a'], gone.signal, async () => void events.push('second'));
  const third = locks(['a'], never, async () => void events.push('third'));
  gone.abort();
  await assert.rejects(second, { name: 'AbortError' });
  held.resolve();
  await Promise.all([first, third]);
  assert.deepEqual(events, ['first', 'third']);
});

test('work that fails gives its keys back', async () => {
  const locks = createLocks();
  await assert.rejects(
    locks(['a'], never, async () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(await locks(['a'], never, async () => 'done'), 'done');
});
