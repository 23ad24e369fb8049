import type { Skip } from '#api/ledger';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';

type Volume = { readonly name: string } & Readonly<Record<string, unknown>>;

/** Workloads that another one makes from its own template, which is read instead. */
const madeFromTemplate = new Set([
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'ReplicationController',
  'Deployment',
  'CronJob',
]);

/** Sources that hold no data of their own: what they show comes from objects that are captured, or is an asset already. */
const withoutData = new Set(['configMap', 'secret', 'downwardAPI', 'projected', 'persistentVolumeClaim', 'image']);

/** Sources whose data ends with the pod, by the user's own choice. */
const endsWithPod = new Set(['emptyDir', 'ephemeral']);

/**
 * Volumes of pod templates that no claim stands for. Their data is not captured, so they are told, each with the
 * reason. Templates are read rather than pods, so that a workload scaled to zero is told as well; a source that is
 * not known counts as data that is not protected.
 */
export function unprotectedVolumes(objects: readonly KubeObject[]): Skip[] {
  return objects
    .filter(hasOwnTemplate)
    .flatMap((object) => volumesOf(object).flatMap((volume) => judge(object, volume)));
}

function judge(object: KubeObject, volume: Volume): Skip[] {
  const source = Object.keys(volume).find((field) => field !== 'name') ?? 'emptyDir';
  if (withoutData.has(source)) return [];
  const what = `${object.kind.toLowerCase()}/${object.metadata.name} volume ${volume.name}`;
  if (endsWithPod.has(source)) return [{ what, rule: source, reason: 'Its data lives and dies with its pod.' }];
  if (source === 'hostPath') {
    const { path } = volume['hostPath'] as { path?: string };
    return [{ what, rule: source, reason: `NOT PROTECTED: ${path ?? 'it'} is a folder of the node.` }];
  }
  return [{ what, rule: 'inlineVolume', reason: `NOT PROTECTED: a ${source} volume without a claim.` }];
}

function hasOwnTemplate(object: KubeObject): boolean {
  const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
  return owner === undefined || !madeFromTemplate.has(owner.kind);
}

function volumesOf(object: KubeObject): readonly Volume[] {
  const spec = object['spec'] as (Template & { readonly jobTemplate?: { readonly spec?: Template } }) | undefined;
  const pod =
    groupKindOf(object) === 'Pod'
      ? (spec as PodSpec | undefined)
      : (spec?.template?.spec ?? spec?.jobTemplate?.spec?.template?.spec);
  return Array.isArray(pod?.volumes) ? pod.volumes : [];
}

interface Template {
  readonly template?: { readonly spec?: PodSpec };
}

interface PodSpec {
  readonly volumes?: readonly Volume[];
}
