import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import { ensureMover } from './ensure-mover.ts';
import type { MoverContext } from './ensure-mover.ts';

/**
 * A cluster in which every Job succeeds at once and its pod is gone without a word: the moment in which somebody deletes
 * the pod of a mover that is just ending, which a real cluster shows once in many tries.
 */
function wordlessCluster() {
  const made: KubeObject[] = [];
  let job: KubeObject | undefined;
  const client = {
    get: async () => job,
    ensure: async (_: unknown, object: KubeObject) => {
      const status = { conditions: [{ type: 'Complete', status: 'True' }] };
      job = { ...object, metadata: { ...object.metadata, uid: `uid-${made.length}` }, status };
      made.push(object);
      return job;
    },
    delete: async () => void (job = undefined),
    async *list() {
      // No pods.
    },
  } as unknown as KubeClient;
  const context: MoverContext = {
    client,
    labels: {},
    moverImage: 'image',
    moverSecret: 'secret',
    storeLocation: 's3://bucket',
    signal: new AbortController().signal,
  };
  return { context, made };
}

const ask = async (context: MoverContext, kind: 'backup' | 'restore') =>
  ensureMover(context, { kind, name: 'move-data', asset: 'data', task: {}, ensureClaim: async () => undefined });

test('a backup whose mover left no word is made again, a bounded number of times', async () => {
  const { context, made } = wordlessCluster();
  let outcome = await ask(context, 'backup');
  for (let asked = 0; asked < 10 && outcome.state === 'waiting'; asked++) outcome = await ask(context, 'backup');
  assert.ok(outcome.state === 'failed' && outcome.error.code === 'MoverFailed');
  assert.deepEqual(
    made.map((job) => job.metadata.annotations?.['salvor.dev/attempt']),
    ['1', '2', '3'],
  );
});

test('a restore whose mover left no word has failed: its volume is not written into again', async () => {
  const { context, made } = wordlessCluster();
  await ask(context, 'restore');
  const outcome = await ask(context, 'restore');
  assert.equal(outcome.state, 'failed');
  assert.equal(made.length, 1);
});
