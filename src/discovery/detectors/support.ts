import type { AssetId, Evidence, Mount } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { parseQuantity } from '#kube/quantity';
import type { AssetBuilder } from '../builder.ts';
import { at, record, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { Workload } from '../workloads.ts';

/** What several detectors need. */

/** Where the containers of a workload see one of its volumes. */
export function mountsOf(workload: Workload, volume: string, readOnlyVolume = false): Mount[] {
  return workload.containers.flatMap((container) =>
    container.mounts
      .filter((mount) => mount.volume === volume)
      .map((mount) => ({
        workload: workload.name,
        container: container.name,
        image: container.image,
        path: mount.path,
        ...(mount.subPath === undefined ? {} : { subPath: mount.subPath }),
        readOnly: mount.readOnly || readOnlyVolume,
        role: workload.role === 'job' ? 'job' : container.init ? 'init' : 'server',
      })),
  );
}

/** Adds mounts to a volume asset. */
export function addMounts(builder: AssetBuilder, id: AssetId, mounts: readonly Mount[]): void {
  const draft = builder.get(id);
  if (draft?.volume === undefined) return;
  const workload = draft.workload ?? mounts[0]?.workload;
  builder.update(id, {
    volume: { ...draft.volume, mounts: [...draft.volume.mounts, ...mounts] },
    ...(workload === undefined ? {} : { workload }),
  });
}

/** A quantity as a size, where it is one. */
export function sizeOf(quantity: string | undefined): { readonly sizeBytes?: number } {
  const bytes = quantity === undefined ? 0 : parseQuantity(quantity);
  return bytes > 0 ? { sizeBytes: bytes } : {};
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

/** The CSI driver, or the type of the source. */
export function driverOf(volume: KubeObject | undefined): string | undefined {
  if (volume === undefined) return undefined;
  const spec = record(volume['spec']);
  return text(at(spec, 'csi', 'driver')) ?? Object.keys(spec).find((field) => !volumeSpecFields.has(field));
}

/** The fields that are there. */
export function defined<T extends Readonly<Record<string, string | undefined>>>(
  fields: T,
): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

/** Names a field of an object, for evidence. */
export function evidenceOf(object: KubeObject, field: string, value: string): Evidence {
  return { object: nameOf(object), namespace: object.metadata.namespace ?? '', field, value };
}
