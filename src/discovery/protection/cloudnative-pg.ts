import type { KubeObject } from '#api/objects';
import { at, records, text } from '../fields.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { healthOf, protectionBy } from './doing.ts';
import type { But } from './doing.ts';

const plugin = 'barman-cloud.cloudnative-pg.io';

/**
 * CloudNativePG: base backups by ScheduledBackups, and the log to an object store, by `spec.backup.barmanObjectStore` or the plugin's
 * ObjectStore. A log without base backups restores nothing, snapshots without a log restore their own moments only.
 * Source: cloudnative-pg.io/documentation, "Backup", "WAL archiving", "Backup on volume snapshots".
 */
export const cloudNativePg: ProtectionDetector = {
  tool: 'cloudnative-pg',
  detect: (input) =>
    input.index.all('Cluster.postgresql.cnpg.io').flatMap((cluster) => {
      const asset = input.assets.find(
        ({ kind, namespace, workload }) =>
          kind === 'database' &&
          namespace === cluster.metadata.namespace &&
          workload === `cluster/${cluster.metadata.name}`,
      );
      if (asset === undefined) return [];
      const store = storeOf(cluster);
      const schedules = input.index
        .all('ScheduledBackup.postgresql.cnpg.io')
        .filter(
          ({ metadata, spec }) =>
            metadata.namespace === cluster.metadata.namespace &&
            text(at(spec, 'cluster', 'name')) === cluster.metadata.name,
        );
      if (schedules.length === 0 && store !== undefined)
        return protectionBy({ tool: 'cloudnative-pg', object: cluster, asset, ...store, but: [logOnly] });
      return schedules.map((schedule) => bySchedule(input, schedule, { asset, store }));
    }),
};

interface Store {
  readonly how: string;
  readonly field: string;
  readonly value: string;
}

const logOnly: But = {
  trouble: 'incomplete',
  says: 'archives its log, and no ScheduledBackup makes the base backups that a restore begins with',
  field: 'spec.backup',
  value: 'no ScheduledBackup',
};

function storeOf(cluster: KubeObject): Store | undefined {
  const path = text(at(cluster['spec'], 'backup', 'barmanObjectStore', 'destinationPath'));
  if (path !== undefined)
    return {
      how: 'archives its log and base backups',
      field: 'spec.backup.barmanObjectStore.destinationPath',
      value: path,
    };
  const used = records(at(cluster['spec'], 'plugins')).find(
    (one) => one['name'] === plugin && one['enabled'] !== false,
  );
  const name = text(at(used, 'parameters', 'barmanObjectName'));
  return name === undefined
    ? undefined
    : { how: 'archives its log and base backups', field: 'spec.plugins', value: `${plugin}: ${name}` };
}

interface Target {
  readonly asset: Parameters<typeof protectionBy>[0]['asset'];
  readonly store: Store | undefined;
}

function bySchedule(input: ProtectionInput, schedule: KubeObject, { asset, store }: Target) {
  const { spec } = schedule;
  const method = text(at(spec, 'method')) ?? 'barmanObjectStore';
  const noStore: But | undefined =
    store !== undefined
      ? undefined
      : method === 'volumeSnapshot'
        ? {
            trouble: 'sameStorage',
            says: 'makes volume snapshots, and no log is archived',
            field: 'spec.method',
            value: method,
          }
        : { trouble: 'failing', says: 'has no object store to write to', field: 'spec.method', value: method };
  return protectionBy({
    tool: 'cloudnative-pg',
    object: schedule,
    asset,
    how: 'makes base backups, and the log is archived',
    field: 'spec.schedule',
    value: text(at(spec, 'schedule')) ?? '',
    but: [
      healthOf(input, {
        paused: { field: 'spec.suspend', value: at(spec, 'suspend') },
        succeeded: { field: 'Backup status.stoppedAt', value: lastCompleted(input, schedule) },
      }),
      noStore,
    ],
  });
}

function lastCompleted({ index }: ProtectionInput, { metadata, spec }: KubeObject): string | undefined {
  return index
    .all('Backup.postgresql.cnpg.io')
    .filter(
      (backup) =>
        backup.metadata.namespace === metadata.namespace &&
        at(backup['spec'], 'cluster', 'name') === at(spec, 'cluster', 'name') &&
        at(backup['status'], 'phase') === 'completed',
    )
    .map((backup) => text(at(backup['status'], 'stoppedAt')) ?? backup.metadata.creationTimestamp ?? '')
    .toSorted()
    .at(-1);
}
