import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { containerOf } from './containers.ts';
import type { Container } from './containers.ts';
import { integer, record, records, textMap } from './fields.ts';
import type { Fields } from './fields.ts';
import { nameOf } from './snapshot/snapshot.ts';
import type { ObjectIndex } from './snapshot/snapshot.ts';

/** Whatever makes pods: a Deployment, a Job, a custom resource with a pod template, a pod of its own. */
export interface Workload {
  readonly object: KubeObject;
  /** `deployment/web`. */
  readonly name: string;
  readonly namespace: string;
  /** Labels of its pods: Services and other tools select by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly replicas: number;
  /** `job` runs now and then: it reads and writes data of others rather than keeping its own. */
  readonly role: 'server' | 'job';
  readonly containers: readonly Container[];
  readonly volumes: readonly Fields[];
  readonly claimTemplates: readonly Fields[];
  /** Field path of the pod spec inside the object. */
  readonly podPath: string;
}

/** Kinds that make other workloads from their own template, which is read instead. */
const madeFromTemplate = new Set([
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'ReplicationController',
  'Deployment',
  'CronJob',
  'Rollout',
  'CloneSet',
  'Revision',
  'Configuration',
]);
/** Kinds with a pod template whose pods they do not keep running. */
const jobKinds = new Set([
  'Job',
  'CronJob',
  'ScaledJob',
  'Workflow',
  'CronWorkflow',
  'TaskRun',
  'PipelineRun',
  'PyTorchJob',
  'TFJob',
  'MPIJob',
  'TrainJob',
  'RayJob',
  'SparkApplication',
]);
/** Objects that only look like workloads: their template is of another object. */
const notWorkloads = new Set(['ControllerRevision', 'PodTemplate']);

/** All workloads, each once: what a controller made is left out in favour of the controller. */
export function workloadsOf(index: ObjectIndex): Workload[] {
  const workloads: Workload[] = [];
  for (const object of index.snapshot.objects) {
    if (!mayHavePods(object) || isMade(object, index)) continue;
    for (const pod of podsOf(object)) workloads.push(workloadOf(object, pod, index));
  }
  return workloads;
}

/** Kinds that are many, large, and never have pods. */
const withoutPods = new Set([
  'ConfigMap',
  'Secret',
  'Service',
  'PersistentVolumeClaim',
  'PersistentVolume',
  'Namespace',
  'Node',
  'ServiceAccount',
]);

function mayHavePods(object: KubeObject): boolean {
  return object['spec'] !== undefined && !withoutPods.has(object.kind);
}

/** True for what another workload of the snapshot makes from its template. A pod whose controller could not be seen stands for itself. */
function isMade(object: KubeObject, index: ObjectIndex): boolean {
  const owner = object.metadata.ownerReferences?.find((one) => one.controller === true);
  if (owner === undefined || !madeFromTemplate.has(owner.kind)) return false;
  const controller = index.get(groupKindOf(owner), object.metadata.namespace ?? '', owner.name);
  // Of ReplicaSets a live scan reads only the metadata: one that no Deployment made says nothing of its pods.
  return (
    controller !== undefined && (podsOf(controller).length > 0 || controller.metadata.ownerReferences?.length !== 0)
  );
}

interface FoundPod {
  readonly spec: Fields;
  readonly metadata: Fields;
  readonly path: string;
}

/** Templates of custom resources lie at most this deep: `spec.pytorchReplicaSpecs.Master.template`. */
const templateDepthMax = 5;
const templatesMax = 12;

/** Pod templates of an object, wherever its kind keeps them. */
function podsOf(object: KubeObject): FoundPod[] {
  const spec = record(object['spec']);
  if (groupKindOf(object) === 'Pod') return [{ spec, metadata: object.metadata as unknown as Fields, path: 'spec' }];
  if (notWorkloads.has(object.kind)) return [];
  const found: FoundPod[] = [];
  const search = (value: unknown, path: string, depth: number): void => {
    if (found.length >= templatesMax || depth > templateDepthMax) return;
    const fields = record(value);
    const podSpec = record(fields['spec']);
    if (isPodSpec(podSpec)) found.push({ spec: podSpec, metadata: record(fields['metadata']), path: `${path}.spec` });
    else if (isPodSpec(fields)) found.push({ spec: fields, metadata: {}, path });
    else if (Array.isArray(value)) value.forEach((item, index) => search(item, `${path}[${index}]`, depth + 1));
    else
      for (const [name, item] of Object.entries(fields))
        if (typeof item === 'object') search(item, `${path}.${name}`, depth + 1);
  };
  search(spec, 'spec', 0);
  return found;
}

function isPodSpec(fields: Fields): boolean {
  return records(fields['containers']).some(
    (container) => typeof container['name'] === 'string' || container['image'] !== undefined,
  );
}

function workloadOf(object: KubeObject, pod: FoundPod, index: ObjectIndex): Workload {
  const namespace = object.metadata.namespace ?? '';
  const spec = record(object['spec']);
  const volumes = records(pod.spec['volumes']);
  const of = { object, namespace, volumes, index };
  const containers = [
    ...records(pod.spec['initContainers']).map((one, at_) => {
      // A sidecar is an init container that is always restarted: it runs all the time.
      const init = one['restartPolicy'] !== 'Always';
      return containerOf(one, { ...of, path: `${pod.path}.initContainers[${at_}]`, init });
    }),
    ...records(pod.spec['containers']).map((one, at_) =>
      containerOf(one, { ...of, path: `${pod.path}.containers[${at_}]`, init: false }),
    ),
  ];
  return {
    object,
    name: nameOf(object),
    namespace,
    labels: textMap(pod.metadata['labels']),
    annotations: textMap(pod.metadata['annotations']),
    replicas: integer(spec['replicas']) ?? 1,
    role: jobKinds.has(object.kind) || isPodOfJob(object) ? 'job' : 'server',
    containers,
    volumes,
    claimTemplates: records(spec['volumeClaimTemplates']),
    podPath: pod.path,
  };
}

/** A pod of a Job whose Job is not in the snapshot. */
function isPodOfJob(object: KubeObject): boolean {
  return object.kind === 'Pod' && (object.metadata.ownerReferences ?? []).some((owner) => jobKinds.has(owner.kind));
}
