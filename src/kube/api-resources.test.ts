import assert from 'node:assert/strict';
import { test } from 'node:test';
import { servedResources } from './api-resources.ts';
import type { KubeClient, KubeRequest } from './client.ts';

/** Stands for an API server with one group in two versions: the lab has no kind that only an older version serves. */
const answers: Readonly<Record<string, unknown>> = {
  '/apis': {
    groups: [
      {
        name: 'x.io',
        preferredVersion: { groupVersion: 'x.io/v1' },
        versions: [{ groupVersion: 'x.io/v1' }, { groupVersion: 'x.io/v1beta1' }],
      },
    ],
  },
  '/api/v1': {
    resources: [
      { name: 'pods', kind: 'Pod', namespaced: true, verbs: ['get', 'list'] },
      { name: 'pods/log', kind: 'Pod', namespaced: true, verbs: ['get'] },
    ],
  },
  '/apis/x.io/v1': { resources: [{ name: 'wombats', kind: 'Wombat', namespaced: true, verbs: ['get', 'list'] }] },
  '/apis/x.io/v1beta1': {
    resources: [
      { name: 'wombats', kind: 'Wombat', namespaced: true, verbs: ['get', 'list'] },
      { name: 'quolls', kind: 'Quoll', namespaced: true, verbs: ['get', 'list'] },
      { name: 'reviews', kind: 'Review', namespaced: true, verbs: ['create'] },
    ],
  },
};
const client = {
  request: async ({ path }: KubeRequest) => {
    const answer = answers[path];
    if (answer === undefined) throw new Error('the server is down');
    return answer;
  },
} as unknown as KubeClient;

test('every kind that can be listed is found once, also one that only an older version serves', async () => {
  const { resources } = await servedResources(client);
  assert.deepEqual(
    resources.map((resource) => [resource.kind, resource.version]),
    [
      ['Pod', 'v1'],
      ['Wombat', 'v1'],
      ['Quoll', 'v1beta1'],
    ],
  );
});
