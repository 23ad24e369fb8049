import type { Evidence } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { skipOf } from '#planner/object-rules';
import { inferredFrom } from '../helm/skeletons.ts';
import type { AssetBuilder } from '../builder.ts';
import { at, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';

/**
 * The Kubernetes objects of each namespace as one asset: how many come from Git or from a package manager, and which
 * were made by hand or are no longer what Git says. What the cluster makes again by itself is not counted.
 */
export function detectObjects(builder: AssetBuilder): void {
  const drifted = driftedObjects(builder);
  const groups = new Map<string, Group>();
  for (const object of builder.index.snapshot.objects) {
    if (skipOf(object) !== undefined || ignoredKinds.has(groupKindOf(object))) continue;
    if (object.metadata.annotations?.[inferredFrom] !== undefined) continue;
    const namespace = object.metadata.namespace ?? '';
    const group: Group = groups.get(namespace) ?? { total: 0, from: new Map(), byHand: [], drifted: [] };
    groups.set(namespace, group);
    group.total++;
    const origin = originOf(object, builder.index.snapshot.kind);
    const key = `${groupKindOf(object)}/${namespace}/${object.metadata.name}`;
    if (drifted.has(key)) group.drifted.push(object);
    else if (origin === undefined) group.byHand.push(object);
    else if (!group.from.has(origin.field)) group.from.set(origin.field, { object, value: origin.value });
  }
  for (const [namespace, group] of groups) addObjects(builder, namespace, group);
}

interface Group {
  total: number;
  readonly from: Map<string, { readonly object: KubeObject; readonly value: string }>;
  readonly byHand: KubeObject[];
  readonly drifted: KubeObject[];
}

/** Volumes are assets of their own; nodes and namespaces of the cluster come with it. */
const ignoredKinds = new Set([
  'Node',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'ComponentStatus',
  'APIService.apiregistration.k8s.io',
  'CSINode.storage.k8s.io',
  'VolumeAttachment.storage.k8s.io',
]);
const namedMax = 3;

function addObjects(builder: AssetBuilder, namespace: string, { total, from, byHand, drifted }: Group): void {
  const asset = builder.add({
    kind: 'objects',
    namespace,
    name: 'objects',
    title: `${total} Kubernetes object${total === 1 ? '' : 's'}`,
  });
  const evidenceOfObject = (object: KubeObject, field: string, value: string): Evidence => ({
    object: nameOf(object),
    namespace,
    field,
    value,
  });
  if (from.size > 0) {
    const evidence = [...from]
      .slice(0, namedMax)
      .map(([field, { object, value }]) => evidenceOfObject(object, field, value));
    const count = total - byHand.length - drifted.length;
    builder.sign(asset, {
      means: 'reproducible',
      says: `holds ${total} objects, of which ${count === total ? 'all' : count} are made again from what is written down elsewhere`,
      evidence,
      strength: byHand.length + drifted.length === 0 ? 'strong' : 'weak',
    });
  }
  if (byHand.length > 0) {
    const evidence = byHand
      .slice(0, namedMax)
      .map((object) => evidenceOfObject(object, 'metadata', 'no owner in Git or Helm'));
    builder.sign(asset, {
      means: 'hand-made',
      says: `holds ${total} objects, of which ${byHand.length} come from no repository: ${someNames(byHand)}`,
      evidence,
      strength: 'strong',
    });
  }
  if (drifted.length > 0) {
    const evidence = drifted.slice(0, namedMax).map((object) => evidenceOfObject(object, 'status', 'OutOfSync'));
    builder.sign(asset, {
      means: 'hand-made',
      says: `holds ${total} objects, of which ${drifted.length} are no longer what Git says: ${someNames(drifted)}`,
      evidence,
      strength: 'strong',
    });
  }
}

function someNames(objects: readonly KubeObject[]): string {
  const shown = objects.slice(0, namedMax).map(nameOf).join(', ');
  return objects.length > namedMax ? `${shown}, ...` : shown;
}

interface Origin {
  readonly field: string;
  readonly value: string;
}

/** Who makes the object again: Argo CD, Flux, Helm, or the files that are being scanned. */
function originOf(object: KubeObject, kind: 'cluster' | 'manifests'): Origin | undefined {
  const { labels = {}, annotations = {} } = object.metadata;
  for (const label of [
    'kustomize.toolkit.fluxcd.io/name',
    'helm.toolkit.fluxcd.io/name',
    'argocd.argoproj.io/instance',
    'objectset.rio.cattle.io/hash',
    'addonmanager.kubernetes.io/mode',
  ])
    if (labels[label] !== undefined) return { field: `metadata.labels[${label}]`, value: labels[label] };
  const tracking = annotations['argocd.argoproj.io/tracking-id'];
  if (tracking !== undefined)
    return { field: 'metadata.annotations[argocd.argoproj.io/tracking-id]', value: tracking.split(':')[0] ?? '' };
  const release = annotations['meta.helm.sh/release-name'];
  if (release !== undefined || labels['app.kubernetes.io/managed-by'] === 'Helm')
    return { field: 'metadata.annotations[meta.helm.sh/release-name]', value: release ?? 'Helm' };
  const owner = object.metadata.ownerReferences?.find((one) => one.controller === true);
  if (owner !== undefined && object.kind !== 'Secret')
    return { field: 'metadata.ownerReferences', value: `${owner.kind} ${owner.name}` };
  // A manifest is what the object is made from; a dump of a cluster has uids.
  return kind === 'manifests' && object.metadata.uid === undefined
    ? { field: 'file', value: 'the files that were scanned' }
    : undefined;
}

/** What Argo CD says is out of sync, as `kind.group/namespace/name`. */
function driftedObjects(builder: AssetBuilder): ReadonlySet<string> {
  const drifted = new Set<string>();
  for (const application of builder.index.all('Application.argoproj.io'))
    for (const resource of records(at(application['status'], 'resources'))) {
      if (resource['status'] !== 'OutOfSync') continue;
      const group = text(resource['group']) ?? '';
      drifted.add(
        `${text(resource['kind']) ?? ''}${group === '' ? '' : `.${group}`}/${text(resource['namespace']) ?? ''}/${text(resource['name']) ?? ''}`,
      );
    }
  return drifted;
}
