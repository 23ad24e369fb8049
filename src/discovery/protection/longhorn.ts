import type { Asset } from '#api/asset';
import { at, text, texts } from '../fields.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { protectionBy } from './doing.ts';
import type { But } from './doing.ts';

const driver = 'driver.longhorn.io';
const jobLabel = /^recurring-job\.longhorn\.io\/(?!source$)(.+)$/;
const groupLabel = /^recurring-job-group\.longhorn\.io\/(.+)$/;

/**
 * Longhorn's recurring jobs: those that the volume names by labels, itself or by groups; a volume that names none has the
 * jobs of the group `default`. Labels of the claim count when it says `recurring-job.longhorn.io/source: enabled`, and then they override
 * those of the volume. Snapshots stay in the volume. Source: longhorn.io/docs, "Recurring Snapshots and Backups".
 */
export const longhorn: ProtectionDetector = {
  tool: 'longhorn',
  detect: (input) =>
    input.assets
      .filter((asset) => asset.kind === 'volume' && isOfLonghorn(input, asset))
      .flatMap((asset) => {
        const { jobs, groups } = chosenFor(input, asset);
        return input.index.all('RecurringJob.longhorn.io').flatMap((job) => {
          const task = text(at(job['spec'], 'task')) ?? '';
          if (!/^(backup|snapshot)(-force-create)?$/.test(task)) return [];
          const own = texts(at(job['spec'], 'groups'));
          if (!jobs.includes(job.metadata.name) && !own.some((group) => groups.includes(group))) return [];
          return protectionBy({
            tool: 'longhorn',
            object: job,
            asset,
            how: 'copies it to the backup target',
            field: 'spec.cron',
            value: text(at(job['spec'], 'cron')) ?? '',
            but: [task.startsWith('snapshot') ? staysInVolume : undefined, noTarget(input)],
          });
        });
      }),
};

const staysInVolume: But = {
  trouble: 'sameStorage',
  says: 'makes snapshots that are a part of the volume, and lost with it',
  field: 'spec.task',
  value: 'snapshot',
};

/** Without a target every backup fails. Seen only where the target is an object, or the setting of old. */
function noTarget({ index }: ProtectionInput): But | undefined {
  const targets = [
    ...index.all('BackupTarget.longhorn.io').map((one) => text(at(one['spec'], 'backupTargetURL')) ?? ''),
    ...index
      .all('Setting.longhorn.io')
      .filter((one) => one.metadata.name === 'backup-target')
      .map((one) => text(one['value']) ?? ''),
  ];
  return targets.length === 0 || targets.some((url) => url !== '')
    ? undefined
    : { trouble: 'failing', says: 'has no backup target to write to', field: 'spec.backupTargetURL', value: 'empty' };
}

function isOfLonghorn({ index }: ProtectionInput, { volume }: Asset): boolean {
  if (volume?.claim === undefined) return false;
  if (volume.driver !== undefined) return volume.driver === driver;
  const storageClass =
    volume.storageClass === undefined ? undefined : index.get('StorageClass.storage.k8s.io', '', volume.storageClass);
  return storageClass === undefined
    ? volume.storageClass?.startsWith('longhorn') === true
    : storageClass['provisioner'] === driver;
}

function chosenFor({ index }: ProtectionInput, { volume }: Asset): { jobs: string[]; groups: string[] } {
  const claimLabels = volume?.labels ?? {};
  const own =
    volume?.persistentVolume === undefined
      ? undefined
      : index.all('Volume.longhorn.io').find((one) => one.metadata.name === volume.persistentVolume);
  const bySource = claimLabels['recurring-job.longhorn.io/source'] === 'enabled' || own === undefined;
  const labels = bySource ? claimLabels : (own.metadata.labels ?? {});
  const enabled = Object.keys(labels).filter((key) => labels[key] === 'enabled');
  const named = (pattern: RegExp): string[] => enabled.flatMap((key) => pattern.exec(key)?.[1] ?? []);
  const jobs = named(jobLabel);
  const groups = named(groupLabel);
  return { jobs, groups: jobs.length + groups.length === 0 ? ['default'] : groups };
}
