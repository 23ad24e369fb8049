import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/objects';
import { unprotectedVolumes } from './unprotected-volumes.ts';

const deployment = (...volumes: object[]): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { template: { spec: { volumes } } },
});
const rulesOf = (...objects: KubeObject[]) => unprotectedVolumes(objects).map((skip) => skip.rule);

test('a folder of the node is told as not protected', () => {
  const [skip] = unprotectedVolumes([deployment({ name: 'data', hostPath: { path: '/srv' } })]);
  assert.equal(skip?.what, 'deployment/web volume data');
  assert.match(skip?.reason ?? '', /^NOT PROTECTED: \/srv/);
});

test('a source that nobody knows counts as data that is not protected', () => {
  assert.deepEqual(rulesOf(deployment({ name: 'x', wombatfs: {} })), ['inlineVolume']);
});

test('what holds no data is not told, what ends with the pod is', () => {
  assert.deepEqual(
    rulesOf(
      deployment({ name: 'a', configMap: {} }, { name: 'b', persistentVolumeClaim: {} }, { name: 'c', emptyDir: {} }),
    ),
    ['emptyDir'],
  );
});

test('a pod of a template is not told twice, a pod of an operator is told', () => {
  const pod = (ownerKind: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      ownerReferences: [{ apiVersion: 'x', kind: ownerKind, name: 'o', uid: 'u', controller: true }],
    },
    spec: { volumes: [{ name: 'c', emptyDir: {} }] },
  });
  assert.deepEqual(rulesOf(pod('ReplicaSet')), []);
  assert.deepEqual(rulesOf(pod('Cluster')), ['emptyDir']);
});
