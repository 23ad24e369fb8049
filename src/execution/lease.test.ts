import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { takeLease } from './lease.ts';

/** A cluster with one lease, and a clock that runs only by sleeping: `during` happens in each sleep. */
function world(lease: object | undefined, during: (ms: number) => void = () => {}) {
  const state = { lease: lease as (KubeObject & { spec: Record<string, string> }) | undefined, nowMs: 1_000_000 };
  const clock: Clock = {
    now: () => state.nowMs,
    sleep: async (ms, signal) => {
      await turn();
      signal?.throwIfAborted();
      state.nowMs += ms;
      during(state.nowMs);
    },
  };
  const write = async (_: unknown, object: KubeObject): Promise<KubeObject> => {
    state.lease = object as typeof state.lease;
    return object;
  };
  const remove = async (): Promise<void> => undefined;
  const client = {
    get: async () => state.lease,
    create: write,
    replace: write,
    delete: remove,
  } as unknown as KubeClient;
  const signal = new AbortController().signal;
  return { state, take: async () => takeLease(client, { name: 'l', holder: 'new', what: 'it', signal, clock }) };
}

const held = (renewedMs: number): object => ({
  metadata: { name: 'l' },
  spec: { holderIdentity: 'old', renewTime: new Date(renewedMs).toISOString(), acquireTime: '' },
});

test('a holder that renews is refused, also if its clock is hours behind', async () => {
  const { state, take } = world(held(0), (nowMs) => {
    state.lease = held(nowMs - 999_000) as typeof state.lease;
  });
  await assert.rejects(take(), (error: SalvorError) => error.code === 'RunInProgress');
});

test('a lease that expired long ago is taken over after it was watched for a moment', async () => {
  const { state, take } = world(held(0));
  await using _lease = await take();
  assert.equal(state.lease?.spec['holderIdentity'], 'new');
  assert.ok(state.nowMs - 1_000_000 < 10_000);
});

test('a dead holder whose clock was ahead is waited for as long as a lease lasts, and no longer', async () => {
  const { state, take } = world(held(99_000_000));
  await using _lease = await take();
  assert.equal(state.lease?.spec['holderIdentity'], 'new');
  assert.ok(state.nowMs - 1_000_000 <= 31_000);
});
