import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import type { Repository } from '#repository/types';
import { withRun } from './with-run.ts';
import type { RunRequest } from './with-run.ts';

/** A cluster that keeps objects in a map: the order of give and take is all that is asked here. */
function memoryCluster() {
  const objects = new Map<string, KubeObject>();
  const keyOf = (plural: string, name: string): string => `${plural}/${name}`;
  const client = {
    get: async (resource: { plural: string }, ref: { name: string }) => objects.get(keyOf(resource.plural, ref.name)),
    create: async (resource: { plural: string }, object: KubeObject) => {
      objects.set(keyOf(resource.plural, object.metadata.name), object);
      return object;
    },
    ensure: async (resource: { plural: string }, object: KubeObject) => {
      objects.set(keyOf(resource.plural, object.metadata.name), object);
      return object;
    },
    replace: async (_: unknown, object: KubeObject) => object,
    delete: async (resource: { plural: string }, ref: { name: string }) =>
      void objects.delete(keyOf(resource.plural, ref.name)),
    async *list(resource: { plural: string }) {
      for (const [key, object] of objects)
        if (key.startsWith(`${resource.plural}/`) && object.metadata.labels?.['salvor.dev/run'] !== undefined)
          yield object;
    },
  } as unknown as KubeClient;
  return { client, objects };
}

function requestOn(client: KubeClient, locked: { held: boolean }): RunRequest {
  const repository = {
    lock: async () => {
      locked.held = true;
      return {
        lost: new AbortController().signal,
        [Symbol.asyncDispose]: async () => {
          locked.held = false;
        },
      };
    },
  } as unknown as Repository;
  const clock = {
    now: () => Date.now(),
    sleep: async (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(new Error('stopped')))),
  };
  return {
    client,
    repository,
    storeLocation: 's3://b',
    moverImage: 'i',
    secrets: { repositoryPassword: 'secret' },
    clock,
    signal: new AbortController().signal,
  };
}

const secretsIn = (objects: ReadonlyMap<string, KubeObject>) =>
  [...objects.keys()].filter((key) => key.startsWith('secrets/'));
const leasesIn = (objects: ReadonlyMap<string, KubeObject>) =>
  [...objects.keys()].filter((key) => key.startsWith('leases/'));

test('lease, lock and secret are held until the work is done, and then given back', async () => {
  const { client, objects } = memoryCluster();
  const locked = { held: false };
  const answer = await withRun(requestOn(client, locked), { application: 'shop', name: 'shop-1' }, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(secretsIn(objects).length, 1, 'the secret is there while movers need it');
    assert.equal(leasesIn(objects).length, 1);
    assert.ok(locked.held);
    return 42;
  });
  assert.equal(answer, 42);
  assert.deepEqual([...secretsIn(objects), ...leasesIn(objects)], []);
  assert.equal(locked.held, false);
});

test('work that fails gives everything back, too, and its own error is the one that is told', async () => {
  const { client, objects } = memoryCluster();
  const locked = { held: false };
  const run = {
    application: 'shop',
    name: 'shop-1',
    cleanUp: async () => Promise.reject(new Error('clean-up failed as well')),
  };
  const notes: string[] = [];
  const failing = withRun({ ...requestOn(client, locked), onNote: (note) => notes.push(note) }, run, async () =>
    Promise.reject(new Error('the work failed')),
  );
  await assert.rejects(failing, { message: 'the work failed' });
  assert.match(notes.join(), /clean-up failed as well/);
  assert.deepEqual([...secretsIn(objects), ...leasesIn(objects)], []);
});
