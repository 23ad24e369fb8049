import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#shared/time';
import { createMemoryStore } from './memory/memory-store.ts';
import { storeContract, withCode } from './store.contract.ts';
import { withBandwidth } from './with-bandwidth.ts';

storeContract('memory, with a bound on bytes per second', async () => ({
  store: withBandwidth(createMemoryStore(), { uploadBytesPerSecond: 1e12, downloadBytesPerSecond: 1e12 }),
  dispose: async () => {},
}));

/** A clock on which sleeping is what makes time pass; sleeps end in the order of their moments. */
function steppedClock(): Clock & { nowMs: number } {
  const clock = {
    nowMs: 1_000_000,
    now: () => clock.nowMs,
    async sleep(ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted();
      clock.nowMs += ms;
    },
  };
  return clock;
}

const kilobyte = Buffer.alloc(1000);

test('what is sent and received takes the time that the bound gives it', async () => {
  const clock = steppedClock();
  const store = withBandwidth(createMemoryStore(), { uploadBytesPerSecond: 500, clock });
  for (let index = 0; index < 10; index++) await store.put(`k/${index}`, kilobyte);
  // The first second was saved up; then each kilobyte waits for the one before it.
  assert.equal(clock.nowMs - 1_000_000, 9 * 2000 - 1000);
});

test('reading is bounded apart from writing, whether the length is known before or only after', async () => {
  const clock = steppedClock();
  const store = withBandwidth(createMemoryStore(), { downloadBytesPerSecond: 1000, clock });
  for (let index = 0; index < 5; index++) await store.put('k', kilobyte);
  assert.equal(clock.nowMs, 1_000_000);
  for (let index = 0; index < 3; index++) await store.get('k', { length: 1000 });
  for (let index = 0; index < 3; index++) await store.get('k');
  assert.equal(clock.nowMs - 1_000_000, 4000);
});

test('a stream is slowed down while it is read', async () => {
  const clock = steppedClock();
  const moments: number[] = [];
  async function* body(): AsyncGenerator<Buffer> {
    for (let index = 0; index < 4; index++) {
      moments.push(clock.nowMs - 1_000_000);
      yield kilobyte;
    }
  }
  await withBandwidth(createMemoryStore(), { uploadBytesPerSecond: 1000, clock }).put('k', body());
  assert.deepEqual(moments, [0, 0, 0, 1000]);
});

test('an idle line is not saved up for a burst', async () => {
  const clock = steppedClock();
  const store = withBandwidth(createMemoryStore(), { uploadBytesPerSecond: 1000, clock });
  await store.put('k', kilobyte);
  clock.nowMs += 3_600_000;
  const before = clock.nowMs;
  for (let index = 0; index < 5; index++) await store.put('k', kilobyte);
  assert.equal(clock.nowMs - before, 3000);
});

test('who gives up waiting has used nothing of the line', async () => {
  const clock = steppedClock();
  const store = withBandwidth(createMemoryStore(), { uploadBytesPerSecond: 1, clock });
  await store.put('k', kilobyte);
  const abort = new AbortController();
  clock.sleep = async () => {
    abort.abort();
    abort.signal.throwIfAborted();
  };
  await assert.rejects(store.put('k', Buffer.alloc(1_000_000), { signal: abort.signal }), { name: 'AbortError' });
  let sleptMs = 0;
  clock.sleep = async (ms) => {
    sleptMs = ms;
  };
  await store.put('k', kilobyte);
  assert.equal(sleptMs, 999_000);
});

test('a bound that is no number of bytes per second is refused', () => {
  for (const uploadBytesPerSecond of [0, -1, Number.NaN]) {
    assert.throws(() => withBandwidth(createMemoryStore(), { uploadBytesPerSecond }), withCode('InvalidInput'));
  }
});
