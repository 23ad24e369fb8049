import type { Sign } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';

interface Preference {
  readonly key: RegExp;
  readonly value: RegExp;
  readonly means: 'opt-in' | 'opt-out';
  readonly tool: string;
}

/** Labels and annotations by which people tell a tool what to do with one object. */
const preferences: readonly Preference[] = [
  { key: /^salvor\.dev\/protect$/, value: /^(true|yes|Protect)$/, means: 'opt-in', tool: 'Salvor' },
  { key: /^salvor\.dev\/protect$/, value: /^(false|no|Disposable)$/, means: 'opt-out', tool: 'Salvor' },
  { key: /^velero\.io\/exclude-from-backup$/, value: /^true$/, means: 'opt-out', tool: 'Velero' },
  { key: /^k8up\.(io|syn\.tools)\/backup$/, value: /^(false|no)$/, means: 'opt-out', tool: 'k8up' },
  { key: /^k8up\.(io|syn\.tools)\/backup$/, value: /^(true|yes)$/, means: 'opt-in', tool: 'k8up' },
  { key: /^k8up\.(io|syn\.tools)\/backupcommand$/, value: /./, means: 'opt-in', tool: 'k8up' },
  { key: /^stash\.appscode\.com\/(backup-blueprint|target-paths)$/, value: /./, means: 'opt-in', tool: 'Stash' },
  { key: /^(k10\.kasten\.io|kasten\.io)\/(exclude|ignore)[\w-]*$/, value: /^true$/, means: 'opt-out', tool: 'Kasten' },
  { key: /^recurring-job(-group)?\.longhorn\.io\//, value: /^enabled$/, means: 'opt-in', tool: 'Longhorn' },
];

/** Per-volume lists that Velero reads from the annotations of a pod. */
const optInList = 'backup.velero.io/backup-volumes';
const optOutList = 'backup.velero.io/backup-volumes-excludes';

/** What people have said about a volume or a server already, to any tool. */
export function detectPreferences(builder: AssetBuilder): void {
  for (const [id, draft] of builder.all()) {
    if (draft.volume === undefined) continue;
    const object =
      draft.volume.claim === undefined || draft.kind !== 'volume'
        ? (draft.workload ?? draft.name)
        : `pvc/${draft.volume.claim}`;
    for (const [key, value] of Object.entries(draft.volume.labels)) {
      const found = preferences.find((one) => one.key.test(key) && one.value.test(value));
      if (found !== undefined)
        builder.sign(
          id,
          signOf(found.means, found.tool, {
            object,
            namespace: draft.namespace,
            field: 'metadata',
            value: `${key}=${value}`,
          }),
        );
    }
  }
  for (const { workload, volume, assets } of builder.links())
    for (const [list, means] of [
      [optInList, 'opt-in'],
      [optOutList, 'opt-out'],
    ] as const) {
      const names = (workload.annotations[list] ?? '').split(',').map((name) => name.trim());
      if (!names.includes(volume)) continue;
      for (const asset of assets)
        builder.sign(
          asset,
          signOf(means, 'Velero', {
            object: workload.name,
            namespace: workload.namespace,
            field: `${workload.podPath.replace(/\.?spec$/, '')}.metadata.annotations`,
            value: `${list}=${names.join(',')}`,
          }),
        );
    }
}

function signOf(means: 'opt-in' | 'opt-out', tool: string, evidence: Sign['evidence'][number]): Sign {
  return {
    means,
    says: means === 'opt-in' ? `is marked for backup by ${tool}` : `is marked not to be backed up by ${tool}`,
    evidence: [evidence],
    strength: 'strong',
  };
}
