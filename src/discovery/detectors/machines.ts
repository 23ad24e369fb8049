import type { AssetId } from '#api/asset';
import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, record, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import { defined, evidenceOf, sizeOf } from './support.ts';

/** Disks of KubeVirt's virtual machines: claims, volumes that are made from an image, files of a node, and disks that end with the machine. */
export function detectMachines(builder: AssetBuilder): void {
  const used = new Set<AssetId>();
  for (const groupKind of ['VirtualMachine.kubevirt.io', 'VirtualMachineInstance.kubevirt.io'])
    for (const machine of builder.index.all(groupKind)) {
      if (machine.metadata.ownerReferences?.some((owner) => owner.kind === 'VirtualMachine') === true) continue;
      for (const disk of disksOf(builder, machine)) used.add(disk);
    }
  for (const dataVolume of builder.index.all('DataVolume.cdi.kubevirt.io')) {
    const id = addDataVolume(builder, dataVolume);
    if (used.has(id)) continue;
    const source = record(at(dataVolume['spec'], 'source'));
    const from = ['http', 's3', 'registry', 'gcs', 'imageio', 'vddk'].find((one) => source[one] !== undefined);
    if (from !== undefined)
      builder.sign(id, {
        means: 'download',
        says: `was imported from ${from} and no machine writes to it`,
        strength: 'strong',
        evidence: [evidenceOf(dataVolume, `spec.source.${from}`, text(record(source[from])['url']) ?? from)],
      });
  }
}

function addDataVolume(
  builder: AssetBuilder,
  dataVolume: KubeObject,
  namespace = dataVolume.metadata.namespace ?? '',
): AssetId {
  const storage = record(at(dataVolume['spec'], 'storage') ?? at(dataVolume['spec'], 'pvc'));
  return builder.add({
    kind: 'volume',
    namespace,
    name: dataVolume.metadata.name,
    title: `volume of datavolume/${dataVolume.metadata.name}`,
    ...sizeOf(text(at(storage, 'resources', 'requests', 'storage'))),
    volume: {
      source: 'claim',
      claim: dataVolume.metadata.name,
      ...defined({ storageClass: text(storage['storageClassName']) }),
      labels: { ...dataVolume.metadata.labels, ...dataVolume.metadata.annotations },
      mounts: [],
    },
  });
}

function disksOf(builder: AssetBuilder, machine: KubeObject): AssetId[] {
  const namespace = machine.metadata.namespace ?? '';
  const templates = records(at(machine['spec'], 'dataVolumeTemplates'));
  const volumes = records(at(machine['spec'], 'template', 'spec', 'volumes') ?? at(machine['spec'], 'volumes'));
  return volumes.flatMap((volume) => {
    const name = text(volume['name']) ?? '';
    const claim = text(at(volume, 'dataVolume', 'name')) ?? text(at(volume, 'persistentVolumeClaim', 'claimName'));
    const ends = ['containerDisk', 'emptyDisk', 'ephemeral'].find((one) => volume[one] !== undefined);
    const hostPath = text(at(volume, 'hostDisk', 'path'));
    if (claim === undefined && ends === undefined && hostPath === undefined) return [];
    const template = templates.find((one) => text(at(one, 'metadata', 'name')) === claim);
    const id =
      claim === undefined
        ? builder.add({
            kind: 'volume',
            namespace,
            name: `${machine.metadata.name}-${name}`,
            title: `${ends ?? 'disk'} ${name} of ${nameOf(machine)}`,
            ...defined({ host: hostPath }),
            volume: { source: 'machineDisk', volumeName: name, labels: {}, mounts: [] },
          })
        : template === undefined
          ? builder.add({
              kind: 'volume',
              namespace,
              name: claim,
              title: `volume of pvc/${claim}`,
              volume: { source: 'claim', claim, labels: {}, mounts: [] },
            })
          : addDataVolume(
              builder,
              { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', ...template } as unknown as KubeObject,
              namespace,
            );
    builder.update(id, { workload: nameOf(machine) });
    const evidence = [evidenceOf(machine, `spec.template.spec.volumes[${name}]`, claim ?? hostPath ?? ends ?? name)];
    if (claim !== undefined || hostPath !== undefined)
      builder.sign(id, {
        means: 'machine-disk',
        says: `is a disk of ${nameOf(machine)}`,
        evidence,
        strength: 'strong',
      });
    else
      builder.sign(id, {
        means: ends === 'containerDisk' ? 'download' : 'scratch',
        says: ends === 'containerDisk' ? 'comes from a container image at every start' : 'ends with the machine',
        evidence,
        strength: 'strong',
      });
    return [id];
  });
}
