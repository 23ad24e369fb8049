import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { Skip } from '#api/ledger';

/**
 * Which objects of a namespace are not captured, and why. The first rule that answers decides; an object that
 * no rule names is captured. Only what the cluster makes again by itself may be named here.
 */
export interface ObjectRule {
  readonly name: string;
  /** The reason not to capture the object, or undefined. */
  readonly applies: (object: KubeObject) => string | undefined;
}

const generatedKinds: Readonly<Record<string, string>> = {
  Event: 'a record of what happened',
  'Event.events.k8s.io': 'a record of what happened',
  Endpoints: 'computed from services and pods',
  'EndpointSlice.discovery.k8s.io': 'computed from services and pods',
  'ControllerRevision.apps': 'computed from its controller',
  'CSIStorageCapacity.storage.k8s.io': 'published by the storage driver',
  'PodMetrics.metrics.k8s.io': 'a measurement',
  'Lease.coordination.k8s.io': 'the state of a leader election, void after a restore',
};

const remadeByOwner = new Set([
  'Pod',
  'ReplicationController',
  'ReplicaSet.apps',
  'Job.batch',
  'PodDisruptionBudget.policy',
]);
const snapshotKinds = new Set([
  'VolumeSnapshot.snapshot.storage.k8s.io',
  'VolumeGroupSnapshot.groupsnapshot.storage.k8s.io',
]);

export const objectRules: readonly ObjectRule[] = [
  {
    name: 'generatedByCluster',
    applies: (object) => {
      const what = generatedKinds[groupKindOf(object)];
      return what === undefined ? undefined : `The cluster makes it again: ${what}.`;
    },
  },
  {
    name: 'clusterDefault',
    applies: (object) =>
      groupKindOf(object) === 'ConfigMap' &&
      (object.metadata.name === 'kube-root-ca.crt' || object.metadata.name === 'openshift-service-ca.crt')
        ? 'Every namespace gets it from the cluster.'
        : undefined,
  },
  {
    name: 'madeByOwner',
    applies: (object) => {
      const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
      // Secrets, ConfigMaps and claims may be owned as well, but hold what their owner cannot make again.
      return owner !== undefined && remadeByOwner.has(groupKindOf(object))
        ? `${owner.kind} ${owner.name} makes it again.`
        : undefined;
    },
  },
  {
    name: 'pointsAtStorage',
    applies: (object) =>
      snapshotKinds.has(groupKindOf(object)) ? 'It only points at a snapshot inside the storage system.' : undefined,
  },
  {
    name: 'madeBySalvor',
    applies: (object) =>
      object.metadata.labels?.['salvor.dev/run'] === undefined ? undefined : 'It belongs to a run of Salvor.',
  },
  {
    name: 'beingDeleted',
    applies: (object) => (object.metadata.deletionTimestamp === undefined ? undefined : 'It was being deleted.'),
  },
];

/** The rule that excludes an object, as a ledger entry; undefined = capture it. */
export function skipOf(object: KubeObject): Skip | undefined {
  for (const rule of objectRules) {
    const reason = rule.applies(object);
    if (reason !== undefined)
      return { what: `${object.kind.toLowerCase()}/${object.metadata.name}`, rule: rule.name, reason };
  }
  return undefined;
}
