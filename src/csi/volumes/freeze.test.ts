import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { whileFrozen } from './freeze.ts';
import type { Freezable } from './freeze.ts';

/** Filesystems that write down what happens to them. */
function filesystems(names: string[], overrides: Record<string, Partial<Freezable>> = {}) {
  const events: string[] = [];
  const made = names.map((path): Freezable => {
    const step = (what: string) => void events.push(`${what} ${path}`);
    return {
      path,
      flush: async () => step('flush'),
      freeze: async () => step('freeze'),
      thaw: () => step('thaw'),
      ...overrides[path],
    };
  });
  return { events, made };
}

const options = { deadlineMs: 1000, clock: { now: () => 42, sleep: async () => {} }, log: () => {} };

test('everything is frozen before the work begins and thawed only after it ended', async () => {
  const { events, made } = filesystems(['a', 'b', 'c']);
  const held = await whileFrozen(
    made,
    async () => {
      events.push('work begins');
      await Promise.resolve();
      events.push('work ends');
      return 'copied';
    },
    options,
  );
  assert.equal(held.value, 'copied');
  assert.equal(held.atMs, 42);
  const expected =
    'flush a, flush b, flush c, freeze a, freeze b, freeze c, work begins, work ends, thaw a, thaw b, thaw c';
  assert.equal(events.join(', '), expected);
});

test('a freeze that fails undoes the others, and the work is not done', async () => {
  const { events, made } = filesystems(['a', 'b', 'c'], {
    b: { freeze: async () => Promise.reject(new Error('no')) },
  });
  const work = mock.fn(async () => {});
  await assert.rejects(whileFrozen(made, work, options), /no/);
  assert.equal(work.mock.callCount(), 0);
  const frozen = events.filter((event) => event.startsWith('freeze')).length;
  assert.equal(events.filter((event) => event.startsWith('thaw')).length, frozen);
});

test('work that fails is followed by a thaw of everything', async () => {
  const { events, made } = filesystems(['a', 'b']);
  await assert.rejects(
    whileFrozen(made, async () => Promise.reject(new Error('disk full')), options),
    /disk full/,
  );
  assert.deepEqual(events.slice(-2), ['thaw a', 'thaw b']);
});

test('work that does not end is given up at the deadline, with everything thawed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { events, made } = filesystems(['a', 'b']);
  const working = Promise.withResolvers<void>();
  const held = whileFrozen(
    made,
    async () => {
      working.resolve();
      return new Promise(() => {});
    },
    options,
  );
  await working.promise;
  t.mock.timers.tick(1000);
  await assert.rejects(held, { code: status.ABORTED });
  assert.deepEqual(events.slice(-2), ['thaw a', 'thaw b']);
});

test('a freeze that succeeds only after the deadline is thawed at once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const { made } = filesystems(['a'], {
    a: {
      freeze: async () => {
        asked.resolve();
        return slow.promise;
      },
      thaw: () => thawed.resolve(),
    },
  });
  const held = whileFrozen(made, async () => 'never', options);
  await asked.promise;
  t.mock.timers.tick(1000);
  await assert.rejects(held, { code: status.ABORTED });
  slow.resolve();
  await thawed.promise;
});

test('when somebody else thawed in between, the copy does not count, and the others are thawed all the same', async () => {
  const { events, made } = filesystems(['a', 'b'], {
    a: {
      thaw: () => {
        throw Object.assign(new Error('not frozen'), { code: 'EINVAL' });
      },
    },
  });
  await assert.rejects(
    whileFrozen(made, async () => 'copied', options),
    { code: status.ABORTED },
  );
  assert.deepEqual(events.at(-1), 'thaw b');
});
