import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { createMemoryStore } from './memory/memory-store.ts';
import { storeContract } from './store.contract.ts';
import { withFaults } from './with-faults.ts';
import { LATENCY_BOUNDS_MS, withMetrics } from './with-metrics.ts';

storeContract('memory, measured', async () => ({ store: withMetrics(createMemoryStore()), dispose: async () => {} }));

test('calls, bytes and failures by code are counted', async () => {
  const denied = (): Error => new SalvorError('not you', { code: 'StoreAccessDenied' });
  const store = withMetrics(
    withFaults(createMemoryStore(), {
      faults: [
        { on: 'put', when: { nth: 2 }, effect: { kind: 'fail' } },
        { on: 'delete', when: { nth: 1 }, effect: { kind: 'fail', error: denied } },
        { on: 'get', when: { nth: 2 }, effect: { kind: 'fail', error: () => new TypeError('a bug') } },
      ],
    }),
  );
  async function* stream(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10);
    yield Buffer.alloc(5);
  }
  await store.put('a', Buffer.alloc(100));
  await assert.rejects(store.put('a', Buffer.alloc(1000)));
  await store.put('b', stream());
  await store.get('a', { length: 40 });
  await assert.rejects(store.get('a'));
  await assert.rejects(store.delete('a'));
  await assert.rejects(store.head('a', { signal: AbortSignal.abort() }));
  await Array.fromAsync(store.list(''));

  const { put, get, delete: remove, head, list } = store.metrics;
  assert.deepEqual([put.calls, put.bytes, put.failures], [3, 1115, { StoreUnreachable: 1 }]);
  assert.deepEqual([get.calls, get.bytes, get.failures], [2, 40, { Internal: 1 }]);
  assert.deepEqual([remove.calls, remove.failures], [1, { StoreAccessDenied: 1 }]);
  assert.deepEqual([head.calls, head.failures], [1, { Cancelled: 1 }]);
  assert.deepEqual([list.calls, list.failures], [1, {}]);
  assert.deepEqual(JSON.parse(JSON.stringify(store.metrics)), store.metrics);
});

test('durations fall into the bucket of the first bound that holds them', async () => {
  let nowMs = 0;
  let durationMs = 0;
  const memory = createMemoryStore();
  const store = withMetrics(
    {
      ...memory,
      async put(...call) {
        nowMs += durationMs;
        return memory.put(...call);
      },
    },
    { now: () => nowMs },
  );
  for (durationMs of [0, 1, 2, 30, 30_001]) await store.put('a', Buffer.from('x'));
  const { latencyCounts, latencyMsSum } = store.metrics.put;
  assert.equal(latencyMsSum, 30_034);
  const filled = latencyCounts.flatMap((count, index) => (count === 0 ? [] : [[LATENCY_BOUNDS_MS[index], count]]));
  assert.deepEqual(filled, [
    [1, 2],
    [2, 1],
    [50, 1],
    [undefined, 1],
  ]);
});
