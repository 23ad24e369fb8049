import type { Asset } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { at, record, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { healthOf, protectionBy } from './doing.ts';
import type { But } from './doing.ts';

/** What a custom resource of a database says of its backups. */
interface Plan {
  readonly field: string;
  /** The schedule, or what stands for it. */
  readonly value: string;
  readonly but?: readonly (But | undefined)[];
}

/** Operators whose resource of the database holds the schedule itself. */
const inTheResource: Readonly<Record<string, (object: KubeObject) => Plan | undefined>> = {
  'PerconaXtraDBCluster.pxc.percona.com': perconaPlan,
  'PerconaServerMySQL.ps.percona.com': perconaPlan,
  'PerconaServerMongoDB.psmdb.percona.com': perconaPlan,
  'PerconaPGCluster.pgv2.percona.com': pgBackRestPlan,
  'PostgresCluster.postgres-operator.crunchydata.com': pgBackRestPlan,
  'postgresql.acid.zalan.do': zalandoPlan,
  'InnoDBCluster.mysql.oracle.com': oraclePlan,
  'MysqlCluster.mysql.presslabs.org': (object) => scheduled(object, ['backupSchedule']),
  'SGCluster.stackgres.io': stackGresPlan,
};

/** Operators with a resource of its own for the schedule, which names the database. */
const besideTheResource: Readonly<Record<string, { readonly kind: string; readonly name: readonly string[] }>> = {
  'Backup.k8s.mariadb.com': { kind: 'mariadb', name: ['mariaDbRef', 'name'] },
  'PhysicalBackup.k8s.mariadb.com': { kind: 'mariadb', name: ['mariaDbRef', 'name'] },
  'MedusaBackupSchedule.medusa.k8ssandra.io': {
    kind: 'cassandradatacenter',
    name: ['backupSpec', 'cassandraDatacenter'],
  },
  'EtcdBackup.etcd.database.coreos.com': { kind: 'etcdcluster', name: ['etcdEndpoints'] },
};

/**
 * Backups that the operators of databases make themselves. Sources: the operators' documentation of their resources, "Backup":
 * docs.percona.com, access.crunchydata.com, postgres-operator.readthedocs.io, github.com/mariadb-operator, dev.mysql.com, stackgres.io, k8ssandra.io.
 */
export const databaseOperators: ProtectionDetector = {
  tool: 'operator',
  detect: (input) => [
    ...Object.entries(inTheResource).flatMap(([groupKind, planOf]) =>
      input.index.all(groupKind).flatMap((object) => {
        const plan = planOf(object);
        const asset = serverOf(input, object.metadata.namespace, nameOf(object));
        return plan === undefined || asset === undefined
          ? []
          : protectionBy({ tool: 'operator', object, asset, how: 'has its operator make backups', ...plan });
      }),
    ),
    ...Object.entries(besideTheResource).flatMap(([groupKind, { kind, name }]) =>
      input.index.all(groupKind).flatMap((object) => {
        const of = text(at(object['spec'], ...name));
        const asset = of === undefined ? undefined : serverOf(input, object.metadata.namespace, `${kind}/${of}`);
        return asset === undefined ? [] : bySchedule(input, object, asset);
      }),
    ),
  ],
};

function serverOf({ assets }: ProtectionInput, namespace: string | undefined, workload: string): Asset | undefined {
  return assets.find(
    (asset) => asset.engine !== undefined && asset.namespace === namespace && asset.workload === workload,
  );
}

function scheduled(object: KubeObject, path: readonly string[]): Plan | undefined {
  const value = text(at(object['spec'], ...path));
  return value === undefined ? undefined : { field: `spec.${path.join('.')}`, value };
}

/** `spec.backup.schedule` is a list, for MongoDB `tasks`; each may be off, and names a storage, which may be a claim. */
function perconaPlan(object: KubeObject): Plan | undefined {
  const backup = record(at(object['spec'], 'backup'));
  const all = [...records(backup['schedule']), ...records(backup['tasks'])];
  if (all.length === 0) return undefined;
  const first = all.find((one) => one['enabled'] !== false);
  const field = 'spec.backup';
  const off: But = { trouble: 'paused', says: 'has all of its backups turned off', field, value: 'enabled: false' };
  const storage = record(at(backup['storages'], text(first?.['storageName']) ?? ''));
  return {
    field,
    value: text(first?.['schedule']) ?? '',
    but: [
      backup['enabled'] === false || first === undefined ? off : undefined,
      storage['type'] === 'filesystem' || storage['volume'] !== undefined ? inCluster(`${field}.storages`) : undefined,
    ],
  };
}

/** Repositories of pgBackRest: without a schedule there is one full backup, and the log. */
function pgBackRestPlan(object: KubeObject): Plan | undefined {
  const repositories = records(at(object['spec'], 'backups', 'pgbackrest', 'repos'));
  if (repositories.length === 0) return undefined;
  const isCloud = (one: object): boolean => ['s3', 'gcs', 'azure'].some((cloud) => cloud in one);
  const schedules = record(repositories.find((one) => one['schedules'] !== undefined)?.['schedules']);
  const [kind, cron] = Object.entries(schedules)[0] ?? [];
  const field = 'spec.backups.pgbackrest.repos';
  return {
    field,
    value: kind === undefined ? 'no schedule' : `${kind}: ${text(cron) ?? ''}`,
    but: [
      kind === undefined
        ? {
            trouble: 'incomplete',
            says: 'archives its log onto one base backup that gets ever older, for want of a schedule',
            field,
            value: 'schedules: not set',
          }
        : undefined,
      repositories.some(isCloud) ? undefined : inCluster(field),
    ],
  };
}

function zalandoPlan(object: KubeObject): Plan | undefined {
  const logical = at(object['spec'], 'enableLogicalBackup') === true;
  const archive = records(at(object['spec'], 'env')).find((one) =>
    /^(WAL_S3_BUCKET|WALE_|WALG_)/.test(text(one['name']) ?? ''),
  );
  if (archive !== undefined)
    return { field: `spec.env[${text(archive['name']) ?? ''}]`, value: text(archive['value']) ?? 'set' };
  return logical
    ? { field: 'spec.enableLogicalBackup', value: text(at(object['spec'], 'logicalBackupSchedule')) ?? 'true' }
    : undefined;
}

function oraclePlan(object: KubeObject): Plan | undefined {
  const all = records(at(object['spec'], 'backupSchedules'));
  const on = all.filter((one) => one['enabled'] !== false);
  const field = 'spec.backupSchedules';
  if (all.length === 0) return undefined;
  const claim = JSON.stringify(at(object['spec'], 'backupProfiles') ?? on).includes('"persistentVolumeClaim"');
  return {
    field,
    value: text(on[0]?.['schedule']) ?? '',
    but: [
      on.length === 0
        ? { trouble: 'paused', says: 'has all of its backups turned off', field, value: 'enabled: false' }
        : undefined,
      claim ? inCluster('spec.backupProfiles') : undefined,
    ],
  };
}

function stackGresPlan(object: KubeObject): Plan | undefined {
  const [backup] = records(at(object['spec'], 'configurations', 'backups'));
  const value = text(backup?.['cronSchedule']);
  return value === undefined ? undefined : { field: 'spec.configurations.backups', value };
}

function inCluster(field: string): But {
  return { trouble: 'sameCluster', says: 'writes its backups to a claim of the same cluster', field, value: 'a claim' };
}

function bySchedule(input: ProtectionInput, object: KubeObject, asset: Asset) {
  const { spec, status } = object;
  const cron = text(at(spec, 'schedule', 'cron')) ?? text(at(spec, 'cronSchedule')) ?? text(at(spec, 'schedule'));
  const storage = record(at(spec, 'storage'));
  const once: But = {
    trouble: 'incomplete',
    says: 'is one backup of one moment, and nothing makes the next',
    field: 'spec.schedule',
    value: 'not set',
  };
  const failed = records(at(status, 'conditions')).find(
    (one) => one['type'] === 'Complete' && one['status'] === 'False' && /fail/i.test(text(one['reason']) ?? ''),
  );
  return protectionBy({
    tool: 'operator',
    object,
    asset,
    how: 'has its operator make backups',
    field: 'spec.schedule',
    value: cron ?? '',
    but: [
      healthOf(input, {
        paused: { field: 'spec.schedule.suspend', value: at(spec, 'schedule', 'suspend') ?? at(spec, 'disabled') },
        failed:
          failed === undefined
            ? undefined
            : { field: 'status.conditions[Complete]', value: text(failed['message']) ?? 'failed' },
      }),
      cron === undefined ? once : undefined,
      storage['persistentVolumeClaim'] !== undefined || storage['volume'] !== undefined
        ? inCluster('spec.storage')
        : undefined,
      storage['volumeSnapshot'] === undefined
        ? undefined
        : {
            trouble: 'sameStorage',
            says: 'makes snapshots that stay in the storage system',
            field: 'spec.storage.volumeSnapshot',
            value: 'set',
          },
    ],
  });
}
