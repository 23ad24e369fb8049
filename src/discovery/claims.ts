import type { KubeClient } from '#kube/client';
import { isNotFound } from '#kube/client';
import { kinds, resourceName } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import { parseQuantity } from '#kube/quantity';
import type { ClaimFacts } from '#planner/facts';

interface Claim extends KubeObject {
  readonly spec: {
    readonly volumeName?: string;
    readonly volumeMode?: 'Filesystem' | 'Block';
    readonly accessModes?: string[];
    readonly storageClassName?: string;
  };
  readonly status?: { readonly phase?: string; readonly capacity?: { readonly storage?: string } };
}

interface Volume extends KubeObject {
  readonly spec: {
    readonly csi?: { readonly driver: string; readonly volumeHandle: string };
    readonly capacity?: { readonly storage?: string };
    readonly [source: string]: unknown;
  };
}

interface SnapshotClass extends KubeObject {
  readonly driver: string;
}

/** Fields of a PersistentVolume's spec that are not its source. */
const volumeSpecFields = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeMode',
  'volumeAttributesClassName',
]);

/** The claims among the objects, each with its volume and the snapshot classes of its driver. */
export async function claimFacts(
  client: KubeClient,
  objects: readonly { readonly resource: Resource; readonly object: KubeObject }[],
  signal: AbortSignal,
): Promise<ClaimFacts[]> {
  const claims = objects
    .filter(
      ({ resource, object }) =>
        resourceName(resource) === 'persistentvolumeclaims' && object.metadata.deletionTimestamp === undefined,
    )
    .map(({ object }) => object as Claim);
  const [snapshotClasses, groupClasses] = await Promise.all([
    classes(client, kinds.snapshotClasses, signal),
    classes(client, kinds.groupSnapshotClasses, signal),
  ]);
  const facts: ClaimFacts[] = [];
  for (const claim of claims) {
    const volumeName = claim.spec.volumeName;
    const volume =
      volumeName === undefined ? undefined : await client.get<Volume>(kinds.volumes, { name: volumeName }, signal);
    const csi = volume?.spec.csi;
    facts.push({
      name: claim.metadata.name,
      // A claim can say Bound while its volume is gone: the data is, too.
      phase: claim.status?.phase === 'Bound' && volume === undefined ? 'Lost' : (claim.status?.phase ?? 'Pending'),
      volumeMode: claim.spec.volumeMode ?? 'Filesystem',
      accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
      storageClass: claim.spec.storageClassName,
      capacityBytes: parseQuantity(claim.status?.capacity?.storage ?? volume?.spec.capacity?.storage ?? '0'),
      source:
        volume === undefined
          ? 'unknown'
          : (Object.keys(volume.spec).find((field) => !volumeSpecFields.has(field)) ?? 'unknown'),
      csi: csi === undefined ? undefined : { driver: csi.driver, volumeHandle: csi.volumeHandle },
      snapshotClass: csi === undefined ? undefined : bestClass(snapshotClasses, csi.driver),
      groupSnapshotClass: csi === undefined ? undefined : bestClass(groupClasses, csi.driver),
    });
  }
  return facts;
}

async function classes(client: KubeClient, resource: Resource, signal: AbortSignal): Promise<SnapshotClass[]> {
  try {
    return await Array.fromAsync(client.list<SnapshotClass>(resource, { signal }));
  } catch (error) {
    // The cluster has no such kind: no snapshot controller is installed.
    if (isNotFound(error)) return [];
    throw error;
  }
}

function bestClass(all: readonly SnapshotClass[], driver: string): string | undefined {
  const fitting = all.filter((one) => one.driver === driver);
  const preferred = fitting.find((one) =>
    Object.entries(one.metadata.annotations ?? {}).some(
      ([name, value]) => name.endsWith('/is-default-class') && value === 'true',
    ),
  );
  return (preferred ?? fitting[0])?.metadata.name;
}
