import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { createMemoryStore } from './memory/memory-store.ts';
import { keysOf, storeContract, withCode } from './store.contract.ts';
import type { Store } from './store.ts';
import { withFaults } from './with-faults.ts';
import { withLimit } from './with-limit.ts';
import { withRetry } from './with-retry.ts';

/** A clock whose sleeps end at once and are written down. */
function recordingClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  return {
    slept,
    now: () => 0,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      slept.push(ms);
    },
  };
}

const down = (): SalvorError => new SalvorError('no answer', { code: 'StoreUnreachable', retryable: true });
const denied = (): SalvorError => new SalvorError('not you', { code: 'StoreAccessDenied' });

/** A store whose calls fail first with these errors, one each. */
function failing(store: Store, errors: SalvorError[]): Store {
  const orFail = async <T>(call: () => Promise<T>): Promise<T> => {
    const error = errors.shift();
    if (error !== undefined) throw error;
    return call();
  };
  return {
    ...store,
    put: async (key, body, options) => orFail(async () => store.put(key, body, options)),
    get: async (key, options) => orFail(async () => store.get(key, options)),
  };
}

/** All calls but puts below `s/`: those are streams, which no decorator can write again. */
const anyCall = [
  ...(['get', 'head', 'delete', 'list'] as const).map((on) => ({ on })),
  ...['a/', 'b/', 'c/', 'l/', 'm/', 'n/'].map((prefix) => ({ on: 'put' as const, prefix })),
];

storeContract('memory that fails or loses its answer at random, with retries', async () => ({
  store: withRetry(
    withFaults(createMemoryStore(), {
      faults: anyCall.flatMap((calls) => [
        { ...calls, when: { chance: 0.1 }, effect: { kind: 'fail' } },
        { ...calls, when: { chance: 0.1 }, effect: { kind: 'lose-answer' } },
      ]),
    }),
    { clock: recordingClock() },
  ),
  dispose: async () => {},
}));

test('a call that fails for a while is made again until it succeeds', async () => {
  const clock = recordingClock();
  const store = withRetry(failing(createMemoryStore(), [down(), down(), down()]), { clock, random: () => 0.5 });
  assert.equal(await store.put('a', Buffer.from('x')), true);
  assert.deepEqual(clock.slept, [250, 500, 1000]);
});

test('waiting is bounded: the last error is thrown after at most 32 seconds', async () => {
  const clock = recordingClock();
  const store = withRetry(failing(createMemoryStore(), Array.from({ length: 99 }, down)), {
    clock,
    random: () => 0.999_999,
  });
  await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreUnreachable'));
  const totalMs = clock.slept.reduce((sum, ms) => sum + ms, 0);
  assert.ok(totalMs > 20_000 && totalMs < 32_000, String(totalMs));
});

test('a store that never answered is given up sooner, one that did is not', async () => {
  const clock = recordingClock();
  const errors = [down(), down()];
  const store = withRetry(failing(createMemoryStore(), errors), { clock, firstAttemptsMax: 2 });
  await assert.rejects(store.get('a'), withCode('StoreUnreachable'));
  assert.equal(await store.put('a', Buffer.from('x')), true);
  errors.push(down(), down());
  assert.equal((await store.get('a')).toString(), 'x');
});

test('attempts that hang are bounded as well: no new one begins 30 seconds after the first failure', async () => {
  let now = 0;
  let calls = 0;
  const clock: Clock = { now: () => now, async sleep() {} };
  const hanging: Store = {
    ...createMemoryStore(),
    async get() {
      calls++;
      now += 20_000;
      throw down();
    },
  };
  await assert.rejects(withRetry(hanging, { clock }).get('a'), withCode('StoreUnreachable'));
  assert.equal(calls, 3);
});

test('what a repetition cannot mend is thrown at once', async () => {
  const clock = recordingClock();
  const store = withRetry(failing(createMemoryStore(), [denied()]), { clock });
  await assert.rejects(store.get('a'), withCode('StoreAccessDenied'));
  assert.deepEqual(clock.slept, []);
});

test('an abort ends the waiting', async () => {
  const abort = new AbortController();
  const clock: Clock = {
    now: () => 0,
    async sleep(_ms, signal) {
      abort.abort();
      signal?.throwIfAborted();
    },
  };
  const store = withRetry(failing(createMemoryStore(), [down(), down()]), { clock });
  await assert.rejects(store.get('a', { signal: abort.signal }), { name: 'AbortError' });
});

test('a conditional write whose answer was lost is recognised as ours', async () => {
  const memory = createMemoryStore();
  let lost = false;
  const lossy: Store = {
    ...memory,
    async put(key, body, options) {
      const written = await memory.put(key, body, options);
      if (lost) return written;
      lost = true;
      throw down();
    },
  };
  const store = withRetry(lossy, { clock: recordingClock() });
  assert.equal(await store.put('config', Buffer.from('mine'), { ifAbsent: true }), true);
  lost = false;
  assert.equal(await store.put('config', Buffer.from('else'), { ifAbsent: true }), false);
});

test('a listing that breaks goes on without repeating or leaving out a key', async () => {
  const memory = createMemoryStore();
  for (let index = 0; index < 10; index++) await memory.put(`a/${index}`, Buffer.from('x'));
  let breaks = 3;
  const breaking: Store = {
    ...memory,
    async *list(prefix, options) {
      let given = 0;
      for await (const info of memory.list(prefix, options)) {
        if (breaks > 0 && given === 7 - breaks) {
          breaks--;
          throw down();
        }
        given++;
        yield info;
      }
    },
  };
  const store = withRetry(breaking, { clock: recordingClock() });
  const keys: string[] = [];
  for await (const info of store.list('a/')) keys.push(info.key);
  assert.deepEqual(
    keys,
    Array.from({ length: 10 }, (_, index) => `a/${index}`),
  );
  assert.equal(breaks, 0);
});

test('a stream is not written again: what was read of it is gone', async () => {
  const clock = recordingClock();
  const memory = createMemoryStore();
  const store = withRetry(failing(memory, [down()]), { clock });
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from('x');
  }
  await assert.rejects(store.put('a', body()), withCode('StoreUnreachable'));
  assert.deepEqual([clock.slept, memory.objects.size], [[], 0]);
});

test('retention is asked for again like everything else', async () => {
  const memory = createMemoryStore();
  await memory.put('a', Buffer.from('x'));
  const errors = [down()];
  const store = withRetry(
    {
      ...memory,
      objectLock: {
        ...memory.objectLock,
        async extendRetention(...call) {
          const error = errors.shift();
          if (error !== undefined) throw error;
          return memory.objectLock.extendRetention(...call);
        },
      },
    },
    { clock: recordingClock() },
  );
  await store.objectLock?.extendRetention('a', { mode: 'compliance', untilMs: Date.now() + 60_000 });
  await assert.rejects(store.delete('a'), withCode('StoreAccessDenied'));
});

test('no more calls run at a time than the limit, and all of them run', async () => {
  const memory = createMemoryStore();
  let [running, most] = [0, 0];
  const counting: Store = {
    ...memory,
    async put(key, body, options) {
      running++;
      most = Math.max(most, running);
      try {
        return await memory.put(key, body, options);
      } finally {
        running--;
      }
    },
  };
  const store = withLimit(counting, 3);
  await Promise.all(Array.from({ length: 20 }, async (_, index) => store.put(`k/${index}`, Buffer.from('x'))));
  assert.equal(most, 3);
  assert.equal((await keysOf(store, 'k/')).length, 20);
});

test('who gives up waiting takes no place from others', async () => {
  const memory = createMemoryStore();
  const gate = Promise.withResolvers<void>();
  const slow: Store = {
    ...memory,
    async get(key, options) {
      await gate.promise;
      return memory.get(key, options);
    },
  };
  const store = withLimit(slow, 1);
  await memory.put('a', Buffer.from('x'));
  const abort = new AbortController();
  const first = store.get('a');
  const second = store.get('a', { signal: abort.signal });
  const third = store.get('a');
  abort.abort();
  await assert.rejects(second, { name: 'AbortError' });
  gate.resolve();
  assert.equal((await first).toString(), 'x');
  assert.equal((await third).toString(), 'x');
});
