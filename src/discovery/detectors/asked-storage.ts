import type { KubeObject } from '#api/objects';
import { groupKindOf } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, record, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import { evidenceOf, sizeOf } from './support.ts';

/** Groups of Kubernetes itself and of tools that say elsewhere what storage they ask for, or only move what is there. */
const otherGroups =
  /^[^.]*$|(^|\.)(k8s\.io|fluxcd\.io|crossplane\.io|kubevirt\.io|velero\.io|backube|kanister\.io|kasten\.io|k8up\.io|longhorn\.io|rook\.io|tekton\.dev|argoproj\.io|cattle\.io)$/;
/** What describes or belongs to others, or lasts as long as a run. */
const otherKinds =
  /(Run|Workflow|Job|Pipeline|Template|Class|Policy|Profile|Backup|Restore|Snapshot|Definition|Composition|List|Pool|Runner|RunnerSet|RunnerDeployment)$/;
/** Fields by which custom resources ask for storage: the spec of a claim, or a size beside the word. */
const storageField = /(storage|persistence|persistentVolume|volume|volumeSpec|dataStorage)$/i;
/** Nested deeper than any custom resource that was seen. */
const depthMax = 12;

/**
 * Storage that custom resources of operators ask for that Salvor does not know: in a folder of manifests nothing else shows
 * that there is data. In a cluster their claims are seen, and judged by themselves.
 */
export function detectAskedStorage(builder: AssetBuilder): void {
  const known = new Set([...builder.all()].map(([, draft]) => `${draft.namespace}/${draft.workload ?? ''}`));
  const claims = Map.groupBy(builder.index.all('PersistentVolumeClaim'), (claim) => claim.metadata.namespace ?? '');
  for (const object of builder.index.snapshot.objects) {
    const [kind = '', ...group] = groupKindOf(object).split('.');
    const { name, namespace = '' } = object.metadata;
    if (otherGroups.test(group.join('.')) || otherKinds.test(kind) || known.has(`${namespace}/${nameOf(object)}`))
      continue;
    const [asked] = requests(object['spec'], 'spec');
    if (asked === undefined || hasClaim(claims.get(namespace) ?? [], name)) continue;
    const id = builder.add({
      kind: 'volume',
      namespace,
      name,
      title: `storage of ${nameOf(object)}`,
      workload: nameOf(object),
      ...sizeOf(asked.quantity),
      volume: {
        source: 'claimTemplate',
        labels: { ...object.metadata.labels, ...object.metadata.annotations },
        mounts: [],
      },
    });
    builder.sign(id, {
      means: 'persistent',
      says: 'is storage that a custom resource asks for',
      strength: 'strong',
      evidence: [evidenceOf(object, asked.field, asked.quantity)],
    });
  }
}

interface Asked {
  readonly field: string;
  readonly quantity: string;
}

function* requests(value: unknown, path: string, depth = 0): Generator<Asked> {
  if (depth > depthMax || typeof value !== 'object' || value === null) return;
  const request = text(at(value, 'resources', 'requests', 'storage'));
  const size = storageField.test(path) ? (text(record(value)['size']) ?? text(record(value)['capacity'])) : undefined;
  const quantity = request ?? size;
  if (quantity !== undefined && sizeOf(quantity).sizeBytes !== undefined)
    yield { field: request === undefined ? path : `${path}.resources.requests.storage`, quantity };
  for (const [key, one] of Object.entries(value))
    if (key !== 'ephemeral')
      yield* requests(one, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, depth + 1);
}

/** Whether one of the claims may be that of a resource: owned by it, or named after it as operators do. */
function hasClaim(claims: readonly KubeObject[], resource: string): boolean {
  return claims.some(
    ({ metadata: { name, ownerReferences } }) =>
      ownerReferences?.some((owner) => owner.name === resource) === true || `-${name}-`.includes(`-${resource}-`),
  );
}
