import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { KubeClient } from '#kube/client';
import { discover } from '../discover.ts';
import { snapshotOfCluster } from './cluster.ts';
import { measureUsedBytes } from './used-bytes.ts';

/** A fake of an API server: to refuse one kind, to break one group, and to count pages, at will. */
async function fakeCluster(
  answer: (url: URL) => unknown,
): Promise<{ client: KubeClient; asked: string[] } & AsyncDisposable> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    asked.push(
      `${url.pathname}${url.search} ${request.headers.accept?.includes('PartialObjectMetadataList') === true ? 'metadata' : 'whole'}`,
    );
    const given = answer(url);
    const status = (given as { readonly code?: number } | undefined)?.code ?? (given === undefined ? 404 : 200);
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify(given ?? { kind: 'Status', code: 404 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = {
    server: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    context: 'fake',
    authenticate: async () => undefined,
  };
  return {
    client: new KubeClient(connection),
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const verbs = ['get', 'list'];
const core = [
  { name: 'pods', kind: 'Pod', namespaced: true, verbs },
  { name: 'secrets', kind: 'Secret', namespaced: true, verbs },
  { name: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', namespaced: true, verbs },
  { name: 'events', kind: 'Event', namespaced: true, verbs },
];
const claims = (names: readonly string[], next?: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaimList',
  metadata: { continue: next },
  items: names.map((name) => ({ metadata: { name, namespace: 'n' }, spec: {} })),
});

function answers(url: URL): unknown {
  switch (url.pathname) {
    case '/apis':
      return {
        groups: [
          {
            name: 'rbac.authorization.k8s.io',
            preferredVersion: { groupVersion: 'rbac.authorization.k8s.io/v1' },
            versions: [],
          },
          { name: 'broken.example.com', preferredVersion: { groupVersion: 'broken.example.com/v1' }, versions: [] },
        ],
      };
    case '/api/v1':
      return { groupVersion: 'v1', resources: core };
    case '/apis/rbac.authorization.k8s.io/v1':
      return {
        groupVersion: 'rbac.authorization.k8s.io/v1',
        resources: [{ name: 'roles', kind: 'Role', namespaced: true, verbs }],
      };
    case '/apis/broken.example.com/v1':
      return { kind: 'Status', code: 404, message: 'the server is away' };
    case '/api/v1/secrets':
      return { kind: 'Status', code: 403, reason: 'Forbidden', message: 'secrets is forbidden' };
    case '/api/v1/persistentvolumeclaims':
      return url.searchParams.get('continue') === 'two' ? claims(['c']) : claims(['a', 'b'], 'two');
    case '/api/v1/pods':
      return {
        items: [
          {
            metadata: { name: 'p', namespace: 'n', managedFields: [{ x: 1 }] },
            spec: { containers: [{ name: 'c', image: 'x' }] },
            status: { phase: 'Running', podIP: '10.0.0.1' },
          },
        ],
      };
    case '/apis/rbac.authorization.k8s.io/v1/roles':
      return { items: [{ metadata: { name: 'r', namespace: 'n' } }] };
    default:
      return undefined;
  }
}

test('a cluster is read page by page; what may not be read is told, and the rest is there', async () => {
  await using cluster = await fakeCluster(answers);
  const progress: string[] = [];
  const snapshot = await snapshotOfCluster(
    cluster.client,
    { onProgress: (text) => progress.push(text) },
    new AbortController().signal,
  );
  assert.deepEqual(snapshot.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`).toSorted(), [
    'PersistentVolumeClaim/a',
    'PersistentVolumeClaim/b',
    'PersistentVolumeClaim/c',
    'Pod/p',
    'Role/r',
  ]);
  assert.deepEqual(
    snapshot.unseen.map(({ what }) => what),
    ['broken.example.com/v1', 'secrets'],
  );
  assert.match(snapshot.unseen[1]?.reason ?? '', /forbidden/);
  assert.deepEqual(new Set(snapshot.unseen.map(({ hides }) => hides)), new Set(['data']));
  assert.equal(progress.at(-1), '4 of 4 kinds read');
});

test('a cluster of which nothing that may hold data can be read is no empty cluster', async () => {
  const forbidden = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'is forbidden' };
  await using cluster = await fakeCluster((url) =>
    /pods|secrets|persistentvolumeclaims/.test(url.pathname) ? forbidden : answers(url),
  );
  const scanning = snapshotOfCluster(cluster.client, { onProgress: () => undefined }, new AbortController().signal);
  await assert.rejects(scanning, { code: 'ClusterForbidden', message: 'Nothing in the cluster can be listed' });
});

test('of roles only the metadata is asked for, of events nothing, and of pods only little is kept', async () => {
  await using cluster = await fakeCluster(answers);
  const snapshot = await snapshotOfCluster(
    cluster.client,
    { onProgress: () => undefined },
    new AbortController().signal,
  );
  assert.deepEqual(
    cluster.asked
      .filter((line) => line.includes('/roles') || line.includes('/events'))
      .map((line) => line.split(' ')[1]),
    ['metadata'],
  );
  assert.doesNotMatch(JSON.stringify(snapshot), /managedFields|podIP/);
});

test('kubelets say what is really in use; one that does not answer is told', async () => {
  const volume = [
    { name: 'v', usedBytes: 24_576, pvcRef: { name: 'data', namespace: 'n' } },
    { name: 'tmp', usedBytes: 1 },
  ];
  await using cluster = await fakeCluster((url) =>
    url.pathname === '/api/v1/nodes/a/proxy/stats/summary'
      ? { pods: [{ volume }] }
      : { kind: 'Status', code: 403, message: 'forbidden' },
  );
  const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace: 'n' } };
  const before = { source: 'x', kind: 'cluster', objects: [node('a'), node('b'), claim], unseen: [] } as const;
  const snapshot = await measureUsedBytes(cluster.client, before, new AbortController().signal);
  assert.equal(discover(snapshot).assets.find((asset) => asset.id === 'n/volume/data')?.usedBytes, 24_576);
  assert.deepEqual(
    snapshot.unseen.map(({ what }) => what),
    ['used bytes on node b'],
  );
});
