import type { Asset, Evidence, Protection, Trouble } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { at, record, records, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { matchesSelector } from '../selector.ts';
import type { ObjectIndex } from '../snapshot/snapshot.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ProtectionDetector } from './detector.ts';
import { policyFor } from './velero-policies.ts';
import type { VolumePolicy } from './velero-policies.ts';

/**
 * Velero's Schedules, by its own rules: a namespace that is included says nothing yet of a volume. Its data is copied by
 * a file backup (all volumes, or those that the pod's annotation lists) or by a snapshot (of a driver that can, unless
 * snapshots are off). What is not sure to be a copy elsewhere that can be restored is not `full`: a snapshot that stays in
 * the storage system, files of a server that writes meanwhile, a schedule that has not run.
 * Source: velero.io/docs, "Schedule API Type", "Backup API Type", "File System Backup", "Resource filtering".
 */
export const velero: ProtectionDetector = {
  tool: 'velero',
  detect: ({ index, assets, nowMs }) => {
    const volumes = assets.filter((asset) => asset.kind === 'volume' && asset.namespace !== '');
    return index
      .all('Schedule.velero.io')
      .flatMap((schedule) => volumes.flatMap((asset) => judge({ index, nowMs }, schedule, asset) ?? []));
  },
};

interface Cluster {
  readonly index: ObjectIndex;
  readonly nowMs: number;
}

function judge(cluster: Cluster, schedule: KubeObject, asset: Asset): Protection | undefined {
  const { index } = cluster;
  const template = record(at(schedule['spec'], 'template'));
  if (!coversNamespace(template, asset.namespace) || !(covers(template, claims) || covers(template, pods)))
    return undefined;
  const answer = (
    state: Protection['state'],
    { reason, field, value, trouble, object = schedule }: Because,
  ): Protection => ({
    asset: asset.id,
    tool: 'velero',
    by: nameOf(schedule),
    namespace: schedule.metadata.namespace ?? '',
    state,
    ...(trouble === undefined ? {} : { trouble }),
    reason: object === schedule ? `schedule "${schedule.metadata.name}" ${reason}` : reason,
    evidence: [evidence(object, field, value)],
  });
  const labels = asset.volume?.labels ?? {};
  if (labels['velero.io/exclude-from-backup'] === 'true')
    return answer('skipped', {
      reason: 'leaves it out: it is labelled velero.io/exclude-from-backup',
      field: 'metadata.labels',
      value: 'velero.io/exclude-from-backup=true',
    });
  const selectors = selectorsOf(template);
  if (selectors.length > 0 && !selectors.some((selector) => matchesSelector(selector, labels)))
    return answer('skipped', {
      reason: 'selects by labels that it does not have',
      field: 'spec.template.labelSelector',
      value: JSON.stringify(template['labelSelector'] ?? template['orLabelSelectors']),
    });
  const policy = policyFor(index, schedule, asset);
  const copied = copiedBy(index, template, { asset, action: policy?.action });
  if (copied === undefined)
    return answer('skipped', {
      reason:
        policy?.action === 'skip'
          ? `leaves it out by the resource policy "${policy.name}"`
          : 'covers its namespace and does not copy its data (no opt-in)',
      ...(policy?.action === 'skip'
        ? { field: 'spec.template.resourcePolicy.name', value: policy.name }
        : {
            field: 'spec.template.defaultVolumesToFsBackup',
            value: text(template['defaultVolumesToFsBackup']) ?? 'not set',
          }),
    });
  const failure = failureOf(cluster, schedule);
  if (failure !== undefined) return answer('failing', failure);
  const doubt = doubtOf(template, { asset, copy: copied, policy });
  if (doubt !== undefined) return answer('partial', doubt);
  return answer('full', {
    reason: `copies it by ${copied.by}`,
    field: 'spec.schedule',
    value: text(at(schedule['spec'], 'schedule')) ?? '',
  });
}

interface Because {
  readonly reason: string;
  readonly field: string;
  readonly value: string;
  readonly trouble?: Trouble;
  /** The schedule itself unless something else is to blame; then the reason is a whole sentence. */
  readonly object?: KubeObject;
}

/** Why nothing is copied at all, whatever is selected. Without a cluster only what is written down can be told. */
function failureOf({ index, nowMs }: Cluster, schedule: KubeObject): Because | undefined {
  if (at(schedule['spec'], 'paused') === true)
    return { trouble: 'paused', reason: 'is paused', field: 'spec.paused', value: 'true' };
  const state = text(at(schedule['status'], 'phase'));
  if (state === 'FailedValidation')
    return { trouble: 'failing', reason: 'is not valid', field: 'status.phase', value: state };
  const location = locationOf(index, schedule);
  const of = `of schedule "${schedule.metadata.name}"`;
  if (location !== undefined && text(at(location['status'], 'phase')) === 'Unavailable') {
    const reason = `the backup location "${location.metadata.name}" ${of} is unavailable`;
    return { object: location, trouble: 'failing', reason, field: 'status.phase', value: 'Unavailable' };
  }
  if (index.snapshot.kind !== 'cluster') return undefined;
  const last = lastBackup(index, schedule);
  if (last === undefined)
    return { trouble: 'neverRan', reason: 'has never run', field: 'status.lastBackup', value: 'none' };
  const phase = text(at(last['status'], 'phase')) ?? 'New';
  if (/Fail/.test(phase)) {
    const reason = `the last backup ${of} is ${phase}`;
    return { object: last, trouble: 'failing', reason, field: 'status.phase', value: phase };
  }
  const begun = timeOf(last);
  if (nowMs - Date.parse(begun) > ageMsMax) {
    const reason = `the last backup ${of} is older than ${ageMsMax / dayMs} days`;
    return { object: last, trouble: 'failing', reason, field: 'status.startTimestamp', value: begun };
  }
  return undefined;
}

const dayMs = 24 * 3_600_000;
/** A monthly schedule that runs is not older. */
const ageMsMax = 32 * dayMs;

interface Copied {
  readonly asset: Asset;
  readonly copy: Copy;
  readonly policy: VolumePolicy | undefined;
}

/** Why what is copied may not be all, or may not be there when it is needed. */
function doubtOf(template: Fields, { asset, copy, policy }: Copied): Because | undefined {
  if (policy?.action === 'unknown')
    return {
      trouble: 'filtered',
      reason: `has the resource policy "${policy.name}", which may leave it out`,
      field: 'spec.template.resourcePolicy.name',
      value: policy.name,
    };
  if (copy.method === 'csi' && template['snapshotMoveData'] !== true)
    return {
      trouble: 'sameStorage',
      reason: 'keeps its CSI snapshot in the storage system of the volume, and is lost with it',
      field: 'spec.template.snapshotMoveData',
      value: text(template['snapshotMoveData']) ?? 'not set',
    };
  const isServers = asset.signs.some((sign) => sign.means === 'server-files');
  const hasHook =
    asset.volume?.labels['pre.hook.backup.velero.io/command'] !== undefined ||
    records(record(template['hooks'])['resources']).length > 0;
  if (copy.method === 'files' && isServers && !hasHook)
    return {
      trouble: 'hot',
      reason: 'copies the files of a server while it writes to them, without a hook',
      field: 'spec.template.hooks',
      value: 'not set',
    };
  return undefined;
}

/** Where its backups go: the location that it names, or else the default one. */
function locationOf(index: ObjectIndex, schedule: KubeObject): KubeObject | undefined {
  const wanted = text(at(record(at(schedule['spec'], 'template')), 'storageLocation'));
  return index
    .all('BackupStorageLocation.velero.io')
    .filter(({ metadata }) => metadata.namespace === schedule.metadata.namespace)
    .find((location) =>
      wanted === undefined ? at(location['spec'], 'default') === true : location.metadata.name === wanted,
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

const claims = /^(\*|persistentvolumeclaims?|pvcs?)$/;
const pods = /^(\*|pods?)$/;

/** A file backup needs the pod in the backup, a snapshot the claim. */
function covers(template: Fields, kind: RegExp): boolean {
  const included = [...texts(template['includedResources']), ...texts(template['includedNamespaceScopedResources'])];
  const excluded = [...texts(template['excludedResources']), ...texts(template['excludedNamespaceScopedResources'])];
  return (included.length === 0 || included.some((one) => kind.test(one))) && !excluded.some((one) => kind.test(one));
}

function selectorsOf(template: Fields): Fields[] {
  return [template['labelSelector'], ...records(template['orLabelSelectors'])]
    .map(record)
    .filter((selector) => Object.keys(selector).length > 0);
}

interface Copy {
  /** In words: `CSI snapshot`. */
  readonly by: string;
  readonly method: 'files' | 'csi' | 'provider';
}

interface Wanted {
  readonly asset: Asset;
  /** What a resource policy says. */
  readonly action: VolumePolicy['action'] | undefined;
}

function copiedBy(index: ObjectIndex, template: Fields, { asset, action }: Wanted): Copy | undefined {
  const { volume } = asset;
  if (volume === undefined || action === 'skip') return undefined;
  const snapshot = volume.source === 'emptyDir' ? undefined : snapshotOf(index, template, asset);
  // Only volumes of pods that run are copied as files, and never those of the node.
  const isMounted = volume.mounts.some(({ role }) => role === 'server');
  if (volume.source === 'hostPath' || !isMounted || !covers(template, pods))
    return volume.source === 'hostPath' ? undefined : snapshot;
  if (action === 'fs-backup') return { by: 'file backup, by its resource policy', method: 'files' };
  if (action === 'snapshot') return snapshot;
  const isListed = (list: string): boolean =>
    asset.signs.some((sign) => sign.evidence.some(({ value }) => value.startsWith(`${list}=`)));
  const everything = template['defaultVolumesToFsBackup'] === true || template['defaultVolumesToRestic'] === true;
  if (everything && !isListed('backup.velero.io/backup-volumes-excludes'))
    return { by: 'file backup of all volumes', method: 'files' };
  if (!everything && isListed('backup.velero.io/backup-volumes'))
    return { by: 'file backup, listed in the annotation of its pod', method: 'files' };
  return snapshot;
}

function snapshotOf(index: ObjectIndex, template: Fields, asset: Asset): Copy | undefined {
  if (template['snapshotVolumes'] === false || !covers(template, claims)) return undefined;
  const driver = asset.volume?.driver;
  const classes = index.all('VolumeSnapshotClass.snapshot.storage.k8s.io');
  const fits = classes.some(
    (one) => one['driver'] === driver && one.metadata.labels?.['velero.io/csi-volumesnapshot-class'] === 'true',
  );
  if (fits) return { by: 'CSI snapshot', method: 'csi' };
  const locations = index.all('VolumeSnapshotLocation.velero.io').length > 0;
  return locations && driver !== undefined && /aws|gce|azure|ebs|pd|disk/i.test(driver)
    ? { by: 'snapshot of its provider', method: 'provider' }
    : undefined;
}

/** The newest backup of the schedule that is not under way, whatever became of it. */
function lastBackup(index: ObjectIndex, schedule: KubeObject): KubeObject | undefined {
  return index
    .all('Backup.velero.io')
    .filter(
      (backup) =>
        backup.metadata.namespace === schedule.metadata.namespace &&
        textMap(backup.metadata.labels)['velero.io/schedule-name'] === schedule.metadata.name &&
        !/^(New|Queued|ReadyToStart|InProgress|WaitingForPluginOperations|Finalizing)?$/.test(
          text(at(backup['status'], 'phase')) ?? '',
        ),
    )
    .toSorted((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1))[0];
}

function timeOf(backup: KubeObject): string {
  return text(at(backup['status'], 'startTimestamp')) ?? backup.metadata.creationTimestamp ?? '';
}

function evidence(object: KubeObject, field: string, value: string): Evidence {
  return { object: nameOf(object), namespace: object.metadata.namespace ?? '', field, value };
}
