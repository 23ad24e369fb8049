import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '#api/objects';
import { skipOf } from './object-rules.ts';

const owned = {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'u', controller: true }],
};
/** `Deployment.apps` stands for kind and group. */
const object = (groupKind: string, metadata: Partial<KubeObject['metadata']> = {}): KubeObject => ({
  apiVersion: groupKind.includes('.') ? `${groupKind.slice(groupKind.indexOf('.') + 1)}/v1` : 'v1',
  kind: groupKind.split('.')[0] ?? '',
  metadata: { name: 'x', namespace: 'shop', ...metadata },
});

const cases: readonly (readonly [string, KubeObject, string | undefined])[] = [
  ['a Deployment is captured', object('Deployment.apps'), undefined],
  [
    'a Secret is captured, also one that an operator owns: it may hold a generated password',
    object('Secret', owned),
    undefined,
  ],
  ['a claim that a controller owns is captured', object('PersistentVolumeClaim', owned), undefined],
  ['a pod of a ReplicaSet is made again by it', object('Pod', owned), 'madeByOwner'],
  ['a pod without an owner is captured', object('Pod'), undefined],
  ['endpoints are computed', object('EndpointSlice.discovery.k8s.io'), 'generatedByCluster'],
  [
    'the CA bundle of the cluster belongs to the cluster',
    object('ConfigMap', { name: 'kube-root-ca.crt' }),
    'clusterDefault',
  ],
  ['a ConfigMap of the user is captured', object('ConfigMap'), undefined],
  ['a snapshot object only points at storage', object('VolumeSnapshot.snapshot.storage.k8s.io'), 'pointsAtStorage'],
  [
    'what is being deleted is not brought back',
    object('Service', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    'beingDeleted',
  ],
  ['a kind of another group is captured, whatever its name', object('Event.example.com'), undefined],
  ['a Lease of an application that rents things is captured', object('Lease.rental.example.com'), undefined],
  ['kinds that nobody knows are captured', object('Wombat.example.com'), undefined],
];

for (const [story, given, rule] of cases) {
  test(story, () => {
    const skip = skipOf(given);
    assert.equal(skip?.rule, rule);
    if (skip !== undefined) assert.match(skip.reason, /\.$/, 'every skip has a reason in words');
  });
}
