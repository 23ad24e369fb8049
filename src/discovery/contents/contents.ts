import type { AssetId, Meaning } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import { detectBackupTargets } from './backups.ts';
import { detectCaches } from './caches.ts';
import { detectDerived, detectFiles } from './files.ts';
import type { ContentDetector, Use } from './look.ts';
import { detectModels } from './models.ts';
import { detectNodeFolders } from './node.ts';

const detectors: readonly ContentDetector[] = [
  detectBackupTargets,
  detectModels,
  detectCaches,
  detectDerived,
  detectFiles,
  detectNodeFolders,
];

const endsWithPod = new Set(['emptyDir', 'ephemeral', 'containerLayer', 'machineDisk']);

/** What was said of a volume by a custom resource that uses it: its pods may not be there yet. */
const usesWithoutPod: ReadonlySet<Meaning> = new Set(['machine-disk', 'server-files', 'user-files']);

/** Says of every volume what is in it, by who uses it and how. */
export function detectContents(builder: AssetBuilder): void {
  const uses = usesOf(builder);
  for (const [id, draft] of builder.all('volume')) {
    if (draft.volume === undefined) continue;
    const persistent = !endsWithPod.has(draft.volume.source);
    const look = { id, draft, facts: draft.volume, uses: uses.get(id) ?? [], builder, persistent };
    for (const detect of detectors) for (const sign of detect(look)) builder.sign(id, sign);
    const object = draft.volume.claim === undefined ? (draft.workload ?? draft.name) : `pvc/${draft.volume.claim}`;
    if (persistent)
      builder.sign(id, {
        means: 'persistent',
        says: 'outlives its pods',
        strength: 'strong',
        evidence: [{ object, namespace: draft.namespace, field: 'source', value: draft.volume.source }],
      });
    const usedOtherwise = builder.signsOf(id).some((sign) => usesWithoutPod.has(sign.means));
    if (draft.volume.source === 'claim' && look.uses.length === 0 && !usedOtherwise)
      builder.sign(id, {
        means: 'unused',
        says: 'is used by no workload that was seen',
        strength: 'strong',
        evidence: [
          { object, namespace: draft.namespace, field: 'metadata.name', value: draft.volume.claim ?? draft.name },
        ],
      });
  }
}

function usesOf(builder: AssetBuilder): ReadonlyMap<AssetId, readonly Use[]> {
  const uses = new Map<AssetId, Use[]>();
  for (const { workload, volume, assets } of builder.links())
    for (const container of workload.containers)
      for (const mount of container.mounts)
        if (mount.volume === volume)
          for (const asset of assets) {
            const list = uses.get(asset);
            if (list === undefined) uses.set(asset, [{ workload, container, mount }]);
            else list.push({ workload, container, mount });
          }
  return uses;
}
