import type { Evidence } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { Endpoint } from './endpoints.ts';
import { endpointsIn } from './endpoints.ts';
import { at, integer, record, records, text, textMap, texts } from './fields.ts';
import type { Fields } from './fields.ts';
import { secretFacts } from './snapshot/redact.ts';
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

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly init: boolean;
  readonly command: readonly string[];
  readonly variables: readonly Variable[];
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly mounts: readonly VolumeMount[];
  /** Texts of scripts and settings from ConfigMaps that the container sees. */
  readonly files: readonly ConfigFile[];
  readonly probes: string;
  readonly path: string;
}

export interface ConfigFile {
  readonly configMap: string;
  readonly key: string;
  readonly content: string;
  /** Where it is mounted. */
  readonly mountPath: string;
}

export interface VolumeMount {
  readonly volume: string;
  readonly path: string;
  readonly subPath?: string | undefined;
  readonly readOnly: boolean;
}

export interface Variable {
  readonly name: string;
  /** Missing when it comes from a Secret. */
  readonly value?: string | undefined;
  /** `secret/orders-db`, `configmap/shop`, with the key. */
  readonly from?: string | undefined;
  readonly key?: string | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly evidence: Evidence;
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

interface ContainerPlace {
  readonly object: KubeObject;
  readonly namespace: string;
  readonly volumes: readonly Fields[];
  readonly index: ObjectIndex;
  readonly path: string;
  readonly init: boolean;
}

function containerOf(fields: Fields, place: ContainerPlace): Container {
  const mounts = [
    ...records(fields['volumeMounts']).map((mount) => ({
      volume: text(mount['name']) ?? '',
      path: text(mount['mountPath']) ?? '',
      subPath: text(mount['subPath']) ?? text(mount['subPathExpr']),
      readOnly: mount['readOnly'] === true,
    })),
    ...records(fields['volumeDevices']).map((device) => ({
      volume: text(device['name']) ?? '',
      path: text(device['devicePath']) ?? '',
      readOnly: false,
    })),
  ];
  return {
    name: text(fields['name']) ?? '',
    image: imageText(fields['image']),
    init: place.init,
    command: [...texts(fields['command']), ...texts(fields['args'])],
    variables: variablesOf(fields, place),
    ports: records(fields['ports']).map((port) => ({
      name: text(port['name']) ?? '',
      port: integer(port['containerPort']) ?? 0,
    })),
    mounts,
    files: configFiles(mounts, place),
    probes: [fields['readinessProbe'], fields['livenessProbe'], fields['startupProbe']]
      .flatMap((probe) => texts(at(probe, 'exec', 'command')))
      .join(' '),
    path: place.path,
  };
}

/** Some custom resources and charts write an image as {repository, tag}. */
function imageText(value: unknown): string {
  const repository = text(record(value)['repository']);
  return repository === undefined ? (text(value) ?? '') : `${repository}:${text(record(value)['tag']) ?? ''}`;
}

function variablesOf(fields: Fields, place: ContainerPlace): Variable[] {
  const base = { object: nameOf(place.object), namespace: place.namespace };
  const variables: Variable[] = [];
  for (const [at_, source] of records(fields['envFrom']).entries()) {
    const evidence = (value: string): Evidence => ({ ...base, field: `${place.path}.envFrom[${at_}]`, value });
    const configMap = text(at(source, 'configMapRef', 'name'));
    const secret = text(at(source, 'secretRef', 'name'));
    if (configMap !== undefined) variables.push(...fromConfigMap(configMap, undefined, evidence, place));
    if (secret !== undefined) variables.push(...fromSecret(secret, undefined, evidence, place));
  }
  for (const [at_, variable] of records(fields['env']).entries()) {
    const name = text(variable['name']) ?? '';
    const value = text(variable['value']);
    const evidence = (shown: string): Evidence => ({
      ...base,
      field: `${place.path}.env[${at_}]`,
      value: `${name}=${shown}`,
    });
    const configMap = text(at(variable, 'valueFrom', 'configMapKeyRef', 'name'));
    const secret = text(at(variable, 'valueFrom', 'secretKeyRef', 'name'));
    if (value !== undefined)
      variables.push({ name, value, endpoints: endpointsIn(value), evidence: evidence(value.slice(0, 200)) });
    else if (configMap !== undefined)
      variables.push(
        ...fromConfigMap(
          configMap,
          { name, key: text(at(variable, 'valueFrom', 'configMapKeyRef', 'key')) ?? '' },
          evidence,
          place,
        ),
      );
    else if (secret !== undefined)
      variables.push(
        ...fromSecret(
          secret,
          { name, key: text(at(variable, 'valueFrom', 'secretKeyRef', 'key')) ?? '' },
          evidence,
          place,
        ),
      );
  }
  return variables;
}

interface KeyWanted {
  readonly name: string;
  readonly key: string;
}

type MakeEvidence = (value: string) => Evidence;

function fromConfigMap(
  configMap: string,
  wanted: KeyWanted | undefined,
  evidence: MakeEvidence,
  place: ContainerPlace,
): Variable[] {
  const data = textMap(place.index.get('ConfigMap', place.namespace, configMap)?.['data']);
  const from = `configmap/${configMap}`;
  const keys = wanted === undefined ? Object.keys(data).map((key) => ({ name: key, key })) : [wanted];
  return keys.map(({ name, key }) => {
    const value = data[key];
    return {
      name,
      value,
      from,
      key,
      endpoints: value === undefined ? [] : endpointsIn(value),
      evidence: evidence(`${from}: ${key}=${(value ?? '').slice(0, 150)}`),
    };
  });
}

function fromSecret(
  secret: string,
  wanted: KeyWanted | undefined,
  evidence: MakeEvidence,
  place: ContainerPlace,
): Variable[] {
  const object = place.index.get('Secret', place.namespace, secret);
  const facts = object === undefined ? { keys: [], endpoints: [] } : secretFacts(object);
  const from = `secret/${secret}`;
  const keys = wanted === undefined ? facts.keys.map((key) => ({ name: key, key })) : [wanted];
  if (keys.length === 0) return [{ name: '', from, endpoints: [], evidence: evidence(from) }];
  return keys.map(({ name, key }) => ({
    name,
    from,
    key,
    endpoints: facts.endpoints.filter((one) => one.key === key).map((one) => one.endpoint),
    evidence: evidence(`${from}: ${key}`),
  }));
}

function configFiles(mounts: readonly VolumeMount[], place: ContainerPlace): ConfigFile[] {
  return mounts.flatMap((mount) => {
    const volume = place.volumes.find((one) => one['name'] === mount.volume);
    const sources = [
      at(volume, 'configMap'),
      ...records(at(volume, 'projected', 'sources')).map((one) => one['configMap']),
    ];
    return sources.flatMap((source) => {
      const configMap = text(record(source)['name']);
      if (configMap === undefined) return [];
      const data = textMap(place.index.get('ConfigMap', place.namespace, configMap)?.['data']);
      return Object.entries(data).map(([key, content]) => ({ configMap, key, content, mountPath: mount.path }));
    });
  });
}
