import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, record, text, texts } from '../fields.ts';
import { defined, driverOf, evidenceOf, sizeOf } from './support.ts';

/**
 * Volumes without a claim: released ones still hold what their claim left behind, static ones hold what somebody put
 * there before. One that is bound is the claim's asset.
 */
export function persistentVolumes(builder: AssetBuilder): void {
  const named = volumesOfClaims(builder);
  for (const volume of builder.index.all('PersistentVolume')) {
    const spec = record(volume['spec']);
    const claim = text(at(spec, 'claimRef', 'name'));
    const namespace = text(at(spec, 'claimRef', 'namespace')) ?? '';
    const phase = text(at(volume['status'], 'phase'));
    const claimed = claim !== undefined && builder.find(namespace, 'volume', claim) !== undefined;
    if (claimed && (phase === undefined || phase === 'Bound')) continue;
    if (named.has(volume.metadata.name) && phase === undefined) continue;
    if (claim === undefined && phase === undefined && pairWithClaim(builder, volume)) continue;
    const id = builder.add({
      kind: 'volume',
      namespace: '',
      name: volume.metadata.name,
      title: `pv/${volume.metadata.name}${claim === undefined ? '' : `, claimed before by ${namespace}/${claim}`}`,
      ...defined({ host: text(at(spec, 'nfs', 'server')) }),
      ...sizeOf(text(at(spec, 'capacity', 'storage'))),
      volume: {
        source: 'persistentVolume',
        persistentVolume: volume.metadata.name,
        ...defined({ phase, storageClass: text(spec['storageClassName']), driver: driverOf(volume) }),
        accessModes: texts(spec['accessModes']),
        labels: { ...volume.metadata.labels, ...volume.metadata.annotations },
        mounts: [],
      },
    });
    builder.sign(id, {
      means: 'unused',
      says: phase === 'Released' ? 'still holds the data of a claim that was deleted' : 'is bound to no claim',
      strength: 'strong',
      evidence: [evidenceOf(volume, 'status.phase', phase ?? 'not known')],
    });
  }
}

/** In manifests a claim names its volume, not the other way round. */
function volumesOfClaims(builder: AssetBuilder): Set<string> {
  const names = new Set<string>();
  for (const [, { volume }] of builder.all('volume'))
    if (volume?.source === 'claim' && volume.persistentVolume !== undefined) names.add(volume.persistentVolume);
  return names;
}

/** Manifests may leave it to the cluster to bring a volume and a claim together: by class and size, as it would. */
function pairWithClaim(builder: AssetBuilder, volume: KubeObject): boolean {
  const spec = record(volume['spec']);
  const storageClass = text(spec['storageClassName']) ?? '';
  const capacity = sizeOf(text(at(spec, 'capacity', 'storage'))).sizeBytes ?? 0;
  for (const [id, { sizeBytes = 0, volume: facts }] of builder.all('volume')) {
    if (facts?.source !== 'claim' || facts.persistentVolume !== undefined || facts.storageClass === undefined) continue;
    if (facts.storageClass !== storageClass || sizeBytes > capacity) continue;
    builder.update(id, {
      volume: { ...facts, persistentVolume: volume.metadata.name, ...defined({ driver: driverOf(volume) }) },
    });
    return true;
  }
  return false;
}
