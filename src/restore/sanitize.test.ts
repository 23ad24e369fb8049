import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/objects';
import { sanitize } from './sanitize.ts';

const object = (
  kind: string,
  fields: Record<string, unknown> = {},
  metadata: Partial<KubeObject['metadata']> = {},
): KubeObject => ({
  apiVersion: kind === 'Job' ? 'batch/v1' : 'v1',
  kind,
  metadata: {
    name: 'x',
    namespace: 'shop',
    uid: 'old',
    resourceVersion: '5',
    creationTimestamp: '2026-01-01T00:00:00Z',
    ...metadata,
  },
  ...fields,
});

test('what the old cluster decided is taken away; what the user wrote stays', () => {
  const stored = object(
    'ConfigMap',
    { data: { a: '1' }, status: {} },
    { labels: { app: 'web' }, annotations: { note: 'mine' }, ownerReferences: [] },
  );
  assert.deepEqual(sanitize(stored), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x', namespace: 'shop', labels: { app: 'web' }, annotations: { note: 'mine' } },
    data: { a: '1' },
  });
});

test('a service gets a new address, but stays headless if it was', () => {
  const plain = sanitize(
    object('Service', {
      spec: { clusterIP: '10.0.0.9', clusterIPs: ['10.0.0.9'], ports: [{ port: 80, nodePort: 31000 }] },
    }),
  );
  assert.deepEqual(plain['spec'], { ports: [{ port: 80 }] });
  const headless = sanitize(
    object('Service', { spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ port: 80 }] } }),
  );
  assert.deepEqual(headless['spec'], { clusterIP: 'None', ports: [{ port: 80 }] });
});

test('a claim lets go of the old volume', () => {
  const claim = sanitize(
    object(
      'PersistentVolumeClaim',
      { spec: { volumeName: 'pv-1', dataSource: { name: 's' }, storageClassName: 'fast' } },
      { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' }, finalizers: ['kubernetes.io/pvc-protection'] },
    ),
  );
  assert.deepEqual(claim['spec'], { storageClassName: 'fast' });
  assert.equal(claim.metadata.annotations, undefined);
  assert.equal(claim.metadata.finalizers, undefined);
});

test('a Job gets a new selector', () => {
  const labels = { app: 'x', 'batch.kubernetes.io/controller-uid': 'u' };
  const job = sanitize(
    object('Job', {
      spec: {
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
        template: { metadata: { labels }, spec: {} },
      },
    }),
  );
  assert.deepEqual(job['spec'], { template: { metadata: { labels: { app: 'x' } }, spec: {} } });
});

test('a pod forgets its node and its injected token', () => {
  const token = { name: 'kube-api-access-abc' };
  const pod = sanitize(
    object('Pod', {
      spec: {
        nodeName: 'n1',
        containers: [{ name: 'c', volumeMounts: [token, { name: 'data' }] }],
        volumes: [token, { name: 'data' }],
      },
    }),
  );
  assert.deepEqual(pod['spec'], {
    containers: [{ name: 'c', volumeMounts: [{ name: 'data' }] }],
    volumes: [{ name: 'data' }],
  });
});

test('a token of the old cluster is not restored, other secrets are whole', () => {
  assert.equal(
    sanitize(object('Secret', { type: 'kubernetes.io/service-account-token', data: { token: 'x' } }))['data'],
    undefined,
  );
  assert.deepEqual(sanitize(object('Secret', { type: 'Opaque', data: { password: 'x' } }))['data'], { password: 'x' });
});

test("a Service of another group is nobody's network service: it stays as it is", () => {
  const knative: KubeObject = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: { clusterIP: 'mine' },
  };
  assert.deepEqual(sanitize(knative)['spec'], { clusterIP: 'mine' });
});
