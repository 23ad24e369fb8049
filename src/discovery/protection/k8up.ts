import type { KubeObject } from '#api/objects';
import { at, record, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { claimsIn, healthOf, hotCopy, protectionBy, skippedBy } from './doing.ts';
import type { But } from './doing.ts';

const annotation = 'k8up.io/backup';
const groups = ['k8up.io', 'backup.appuio.ch'];

/**
 * K8up's Schedules: restic copies all claims of the namespace, but for those annotated `k8up.io/backup: "false"`, or, where the
 * operator has BACKUP_SKIP_WITHOUT_ANNOTATION, for those that are not annotated "true". Source: docs.k8up.io, "How to Create a Backup".
 */
export const k8up: ProtectionDetector = {
  tool: 'k8up',
  detect: (input) => {
    const optIn = needsAnnotation(input);
    return groups
      .flatMap((group) => input.index.all(`Schedule.${group}`))
      .filter((schedule) => at(schedule['spec'], 'backup') !== undefined)
      .flatMap((schedule) =>
        claimsIn(input.assets, (namespace) => namespace === schedule.metadata.namespace).map((asset) => {
          const value = asset.volume?.labels[annotation];
          const common = { tool: 'k8up', object: schedule, asset };
          if (value === 'false' || (optIn && value !== 'true'))
            return skippedBy({
              ...common,
              how: optIn
                ? 'copies only claims that are annotated, and this one is not'
                : 'leaves it out by its annotation',
              field: 'metadata.annotations',
              value: `${annotation}=${value ?? 'not set'}`,
            });
          const cron = text(at(schedule['spec'], 'backup', 'schedule')) ?? '';
          return protectionBy({
            ...common,
            how: 'copies it with restic',
            field: 'spec.backup.schedule',
            value: cron,
            but: [health(input, schedule), hotCopy(asset, 'spec.backup.schedule', cron)],
          });
        }),
      );
  },
};

function needsAnnotation({ workloads }: ProtectionInput): boolean {
  return workloads.some(({ containers }) =>
    containers.some(
      ({ image, variables }) =>
        /k8up/.test(image) &&
        variables.some(({ name, value }) => name === 'BACKUP_SKIP_WITHOUT_ANNOTATION' && value === 'true'),
    ),
  );
}

/** The newest backup that the schedule owns. */
function health(input: ProtectionInput, schedule: KubeObject): But | undefined {
  const backups = groups
    .flatMap((group) => input.index.all(`Backup.${group}`))
    .filter(
      ({ metadata }) =>
        metadata.namespace === schedule.metadata.namespace &&
        metadata.ownerReferences?.some(
          (owner) => owner.kind === 'Schedule' && owner.name === schedule.metadata.name,
        ) === true,
    )
    .toSorted((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1));
  const finished = backups.filter((backup) => at(backup['status'], 'finished') === true);
  const isGood = (backup: KubeObject): boolean =>
    !records(at(backup['status'], 'conditions')).some(
      (one) => one['type'] === 'Completed' && record(one)['reason'] === 'Failed',
    );
  const [newest] = finished;
  const good = finished.find(isGood);
  return healthOf(input, {
    succeeded: { field: 'status.finished', value: good?.metadata.creationTimestamp },
    failed:
      newest === undefined || isGood(newest)
        ? undefined
        : { field: 'status.conditions', value: `${nameOf(newest)} failed` },
  });
}
