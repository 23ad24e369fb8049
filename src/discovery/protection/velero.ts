import type { Asset, Evidence, Protection } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { at, record, records, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { matchesSelector } from '../selector.ts';
import type { ObjectIndex } from '../snapshot/snapshot.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ProtectionDetector } from './detector.ts';

/**
 * Velero's Schedules, by its own rules: a namespace that is included says nothing yet of a volume. Its data is copied by
 * a file backup (all volumes, or those that the pod's annotation lists) or by a snapshot (of a driver that can, unless
 * snapshots are off). Resource policies are judged by their own file.
 */
export const velero: ProtectionDetector = {
  tool: 'velero',
  detect: ({ index, assets }) => {
    const volumes = assets.filter((asset) => asset.kind === 'volume' && asset.namespace !== '');
    return index
      .all('Schedule.velero.io')
      .flatMap((schedule) => volumes.flatMap((asset) => judge(index, schedule, asset) ?? []));
  },
};

function judge(index: ObjectIndex, schedule: KubeObject, asset: Asset): Protection | undefined {
  const template = record(at(schedule['spec'], 'template'));
  if (!coversNamespace(template, asset.namespace) || !coversKind(template)) return undefined;
  const answer = (state: Protection['state'], reason: string, field: string, value: string): Protection => ({
    asset: asset.id,
    tool: 'velero',
    by: nameOf(schedule),
    namespace: schedule.metadata.namespace ?? '',
    state,
    reason,
    evidence: [evidence(schedule, field, value)],
  });
  const name = schedule.metadata.name;
  const labels = asset.volume?.labels ?? {};
  if (labels['velero.io/exclude-from-backup'] === 'true')
    return answer(
      'skipped',
      `schedule "${name}" leaves it out: it is labelled velero.io/exclude-from-backup`,
      'metadata.labels',
      'velero.io/exclude-from-backup=true',
    );
  const unselected =
    selectorsOf(template).length > 0 && !selectorsOf(template).some((selector) => matchesSelector(selector, labels));
  if (unselected)
    return answer(
      'skipped',
      `schedule "${name}" selects by labels that it does not have`,
      'spec.template.labelSelector',
      JSON.stringify(template['labelSelector'] ?? template['orLabelSelectors']),
    );
  const copied = copiedBy(index, template, asset);
  if (copied === undefined)
    return answer(
      'skipped',
      `schedule "${name}" covers its namespace and does not copy its data (no opt-in)`,
      'spec.template.defaultVolumesToFsBackup',
      text(template['defaultVolumesToFsBackup']) ?? 'not set',
    );
  if (at(schedule['spec'], 'paused') === true)
    return answer('failing', `schedule "${name}" is paused`, 'spec.paused', 'true');
  const last = lastBackup(index, schedule);
  const phase = text(at(last?.['status'], 'phase'));
  if (last !== undefined && phase !== undefined && /Fail/.test(phase))
    return {
      ...answer('failing', `the last backup of schedule "${name}" is ${phase}`, 'status.phase', phase),
      evidence: [evidence(last, 'status.phase', phase)],
    };
  return answer(
    'full',
    `schedule "${name}" copies it by ${copied}`,
    'spec.schedule',
    text(at(schedule['spec'], 'schedule')) ?? '',
  );
}

function coversNamespace(template: Fields, namespace: string): boolean {
  const included = texts(template['includedNamespaces']);
  const isMatch = (pattern: string): boolean => globOf(pattern).test(namespace);
  return (included.length === 0 || included.some(isMatch)) && !texts(template['excludedNamespaces']).some(isMatch);
}

function globOf(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
}

const claimNames = /^(\*|persistentvolumeclaims?|pvcs?|pods?)$/;

/** A file backup needs the pod in the backup, a snapshot the claim. */
function coversKind(template: Fields): boolean {
  const included = [...texts(template['includedResources']), ...texts(template['includedNamespaceScopedResources'])];
  const excluded = [...texts(template['excludedResources']), ...texts(template['excludedNamespaceScopedResources'])];
  return (
    (included.length === 0 || included.some((one) => claimNames.test(one))) &&
    !excluded.some((one) => claimNames.test(one))
  );
}

function selectorsOf(template: Fields): Fields[] {
  return [template['labelSelector'], ...records(template['orLabelSelectors'])]
    .map(record)
    .filter((selector) => Object.keys(selector).length > 0);
}

function copiedBy(index: ObjectIndex, template: Fields, asset: Asset): string | undefined {
  const { volume } = asset;
  if (volume === undefined || volume.source === 'hostPath' || volume.mounts.length === 0)
    return asset.volume?.source === 'claim' ? snapshotOf(index, template, asset) : undefined;
  const name = volume.volumeName ?? volume.claim ?? '';
  const isListed = (list: string): boolean =>
    asset.signs.some((sign) => sign.evidence.some(({ value }) => value.startsWith(`${list}=`)));
  const everything = template['defaultVolumesToFsBackup'] === true || template['defaultVolumesToRestic'] === true;
  if (everything && !isListed('backup.velero.io/backup-volumes-excludes'))
    return `file backup of all volumes${name === '' ? '' : ` (${name})`}`;
  if (!everything && isListed('backup.velero.io/backup-volumes'))
    return 'file backup, listed in the annotation of its pod';
  return volume.source === 'emptyDir' ? undefined : snapshotOf(index, template, asset);
}

function snapshotOf(index: ObjectIndex, template: Fields, asset: Asset): string | undefined {
  if (template['snapshotVolumes'] === false) return undefined;
  const driver = asset.volume?.driver;
  const classes = index.all('VolumeSnapshotClass.snapshot.storage.k8s.io');
  const fits = classes.some(
    (one) => one['driver'] === driver && one.metadata.labels?.['velero.io/csi-volumesnapshot-class'] === 'true',
  );
  if (fits) return 'CSI snapshot';
  const locations = index.all('VolumeSnapshotLocation.velero.io').length > 0;
  return locations && driver !== undefined && /aws|gce|azure|ebs|pd|disk/i.test(driver)
    ? 'snapshot of its provider'
    : undefined;
}

function lastBackup(index: ObjectIndex, schedule: KubeObject): KubeObject | undefined {
  return index
    .all('Backup.velero.io')
    .filter(
      (backup) =>
        textMap(backup.metadata.labels)['velero.io/schedule-name'] === schedule.metadata.name &&
        text(at(backup['status'], 'completionTimestamp')) !== undefined,
    )
    .toSorted((a, b) =>
      (text(at(a['status'], 'completionTimestamp')) ?? '') < (text(at(b['status'], 'completionTimestamp')) ?? '')
        ? 1
        : -1,
    )[0];
}

function evidence(object: KubeObject, field: string, value: string): Evidence {
  return { object: nameOf(object), namespace: object.metadata.namespace ?? '', field, value };
}
