import type { AssetId, VolumeSource } from '#api/asset';
import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, record, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { Workload } from '../workloads.ts';
import { persistentVolumes } from './persistent-volumes.ts';
import { addMounts, defined, driverOf, mountsOf, sizeOf } from './support.ts';

/**
 * Every volume that can hold data: claims, whether a pod uses them or not; those that a StatefulSet will claim; volumes
 * that a pod brings itself; folders of nodes; volumes whose claim is gone. ConfigMaps, Secrets and the like hold nothing of their own.
 */
export function detectVolumes(builder: AssetBuilder): void {
  for (const claim of builder.index.all('PersistentVolumeClaim')) addClaim(builder, claim);
  for (const workload of builder.workloads) {
    for (const template of workload.claimTemplates) addTemplate(builder, workload, template);
    for (const volume of workload.volumes) addPodVolume(builder, workload, volume);
  }
  persistentVolumes(builder);
}

/** A StatefulSet of more replicas than this is not listed claim by claim. */
const ordinalsMax = 50;
const withoutData = new Set(['configMap', 'secret', 'downwardAPI', 'projected', 'image', 'gitRepo']);

function addClaim(builder: AssetBuilder, claim: KubeObject): void {
  const { name, namespace = '' } = claim.metadata;
  const spec = record(claim['spec']);
  const status = record(claim['status']);
  const volumeName = text(spec['volumeName']);
  const volume = volumeName === undefined ? undefined : builder.index.get('PersistentVolume', '', volumeName);
  const phase = text(status['phase']);
  const size = text(at(status, 'capacity', 'storage')) ?? text(at(spec, 'resources', 'requests', 'storage'));
  builder.add({
    kind: 'volume',
    namespace,
    name,
    title: `volume of pvc/${name}`,
    ...sizeOf(size),
    volume: {
      source: 'claim',
      claim: name,
      ...(phase === undefined ? {} : { phase }),
      ...defined({
        storageClass: text(spec['storageClassName']),
        persistentVolume: volumeName,
        driver: driverOf(volume),
      }),
      accessModes: texts(spec['accessModes']),
      labels: { ...claim.metadata.labels, ...claim.metadata.annotations },
      mounts: [],
    },
  });
}

function addTemplate(builder: AssetBuilder, workload: Workload, template: Fields): void {
  const metadata = record(template['metadata']);
  const name = text(metadata['name']) ?? 'data';
  const spec = record(template['spec']);
  const replicas = Math.min(Math.max(1, workload.replicas), ordinalsMax);
  const mounts = mountsOf(workload, name);
  const assets: AssetId[] = [];
  const existing = claimsOfTemplate(builder, workload, name);
  const names =
    existing.length > 0 && builder.index.snapshot.kind === 'cluster'
      ? existing
      : Array.from({ length: replicas }, (_, ordinal) => `${name}-${workload.object.metadata.name}-${ordinal}`);
  for (const claim of names) {
    const id = builder.add({
      kind: 'volume',
      namespace: workload.namespace,
      name: claim,
      title: `volume of pvc/${claim}`,
      workload: workload.name,
      ...sizeOf(text(at(spec, 'resources', 'requests', 'storage'))),
      volume: {
        source: 'claimTemplate',
        claim,
        volumeName: name,
        ...defined({ storageClass: text(spec['storageClassName']) }),
        accessModes: texts(spec['accessModes']),
        labels: { ...textMap(metadata['labels']), ...textMap(metadata['annotations']) },
        mounts: [],
      },
    });
    addMounts(builder, id, mounts);
    builder.update(id, { workload: workload.name });
    assets.push(id);
  }
  builder.link({ workload, volume: name, assets });
}

/** The claims that a StatefulSet has made already: also those of ordinals that it no longer runs. */
function claimsOfTemplate(builder: AssetBuilder, workload: Workload, template: string): string[] {
  const pattern = `${template}-${workload.object.metadata.name}-`;
  return builder.index
    .inNamespace('PersistentVolumeClaim', workload.namespace)
    .filter(({ metadata }) => metadata.name.startsWith(pattern) && /^\d+$/.test(metadata.name.slice(pattern.length)))
    .map(({ metadata }) => metadata.name);
}

function addPodVolume(builder: AssetBuilder, workload: Workload, volume: Fields): void {
  const name = text(volume['name']) ?? '';
  const source =
    Object.keys(volume).find((field) => field !== 'name' && record(volume[field]) === volume[field]) ?? 'emptyDir';
  if (withoutData.has(source)) return;
  const id =
    source === 'persistentVolumeClaim'
      ? claimOf(builder, workload, volume)
      : inlineVolume(builder, { workload, volume, name, source });
  if (id === undefined) return;
  addMounts(builder, id, mountsOf(workload, name, at(volume, source, 'readOnly') === true));
  builder.link({ workload, volume: name, assets: [id] });
}

function claimOf(builder: AssetBuilder, workload: Workload, volume: Fields): AssetId | undefined {
  const claim = text(at(volume, 'persistentVolumeClaim', 'claimName'));
  if (claim === undefined) return undefined;
  const known = builder.find(workload.namespace, 'volume', claim);
  if (known !== undefined) return known;
  const missing = builder.index.snapshot.kind === 'cluster';
  return builder.add({
    kind: 'volume',
    namespace: workload.namespace,
    name: claim,
    title: `volume of pvc/${claim}${missing ? ', which does not exist' : ', which is defined elsewhere'}`,
    volume: { source: 'claim', claim, ...(missing ? { phase: 'Missing' } : {}), labels: {}, mounts: [] },
  });
}

interface InlineVolume {
  readonly workload: Workload;
  readonly volume: Fields;
  readonly name: string;
  readonly source: string;
}

function inlineVolume(builder: AssetBuilder, { workload, volume, name, source }: InlineVolume): AssetId {
  const details = record(volume[source]);
  const claimSpec = at(details, 'volumeClaimTemplate', 'spec');
  const size = text(details['sizeLimit']) ?? text(at(claimSpec, 'resources', 'requests', 'storage'));
  const place = placeOf(source, details);
  const kind: VolumeSource =
    source === 'emptyDir' || source === 'hostPath' || source === 'ephemeral' ? source : 'inline';
  const id = builder.add({
    kind: 'volume',
    namespace: workload.namespace,
    // The same folder of a node is one asset, whoever mounts it: but nodes differ, so it stays with its workload.
    name: `${workload.object.metadata.name}-${name}`,
    title: `${source} volume ${name} of ${workload.name}${place === undefined ? '' : ` at ${place}`}`,
    workload: workload.name,
    ...(place === undefined ? {} : { host: place }),
    ...sizeOf(size),
    volume: {
      source: kind,
      volumeName: name,
      driver: source === 'csi' ? (text(details['driver']) ?? 'csi') : source,
      ...defined({ storageClass: text(record(claimSpec)['storageClassName']) }),
      labels: { ...workload.labels, ...workload.annotations },
      mounts: [],
    },
  });
  if (details['medium'] === 'Memory')
    builder.sign(id, {
      means: 'scratch',
      says: 'lives in memory',
      strength: 'strong',
      evidence: [
        {
          object: workload.name,
          namespace: workload.namespace,
          field: `${workload.podPath}.volumes[${name}].emptyDir.medium`,
          value: 'Memory',
        },
      ],
    });
  return id;
}

/** Where data of a volume without a claim is. */
function placeOf(source: string, details: Fields): string | undefined {
  switch (source) {
    case 'hostPath':
      return text(details['path']);
    case 'nfs':
      return `${text(details['server']) ?? ''}:${text(details['path']) ?? ''}`;
    case 'iscsi':
      return text(details['targetPortal']);
    case 'cephfs':
    case 'rbd':
      return texts(details['monitors']).join(',');
    default:
      return text(details['driver']) ?? text(details['volumeID']) ?? text(details['volumePath']);
  }
}
