import type { AssetId, Sign } from '#api/asset';
import { keyOf } from '../builder.ts';
import { imagePath } from '../engines/recognize.ts';
import { evidenceOfImage, evidenceOfMount, sign, writers } from './look.ts';
import type { Look, Use } from './look.ts';

/** Programs that write copies of a database, and the engines they copy. */
export const dumpCommand =
  /\b(pg_dump(all)?|pg_basebackup|mysqldump|mariadb-dump|mariadb-backup|xtrabackup|mydumper|mongodump|redis-cli\s+.*(--rdb|bgsave)|etcdctl\s+.*snapshot\s+save|influxd?\s+backup|clickhouse-backup|cockroach\s+dump|sqlite3\s+\S+\s+["']?\.backup|vault\s+operator\s+raft\s+snapshot|consul\s+snapshot\s+save|neo4j-admin\s+(database\s+)?dump|slapcat|gitea\s+dump|gitlab-backup|backup-utility)\b/;
const copyCommand = /\b(restic|borg|borgmatic|kopia|duplicity|rdiff-backup|rclone\s+(sync|copy)|rsync|tar\s+-?c\S*)\b/;
const programImages = /(^|\/)(restic|rustic|rclone|kopia|borg|borgmatic|rsync|duplicity)$/;
/** What is moved is not copied: the target has the only one. */
export const moveCommand =
  /(^|[\s;&|(])mv\s|\bfind\b[^;\n]*-exec\s+mv\b|--remove-source-files|--delete-source|\brclone\s+move(to)?\b|--remove-files/;
const backupImages =
  /(^|\/)(postgres-backup-local|postgres-backup-s3|pg-backup|mysql-backup|mysql-backup-s3|docker-mysql-cron-backup|db-backup|docker-volume-backup|mongo-backup|mongodb-backup|etcd-backup|pgbackups?|backup-cron|rest-server|restic-rest-server|borgmatic|borg-server|urbackup-server)$/;
const backupPath = /(^|\/)(backups?|dumps?|pg-?backups?|snapshots?)(\/|$)/i;

/** Volumes that only receive copies of something else. One that a program also keeps its own files on is not one. */
export function detectBackupTargets(look: Look): readonly Sign[] {
  const used = writers(look);
  if (used.length === 0 || look.uses.some((use) => !isBackupUse(look, use))) return [];
  if (used.some((use) => !isDump(use) && moveCommand.test(commandText(use.container)))) return [];
  const first = used.find(isDump) ?? used[0];
  if (first === undefined) return [];
  const of = sourceOf(look, used);
  const evidence = [commandEvidence(first), evidenceOfMount(first)];
  const what = of === undefined ? 'copies of other data' : `backups of ${look.builder.get(of)?.name ?? ''}`;
  return [
    sign(
      {
        means: 'backup-target',
        says: `receives ${what}`,
        strength: of === undefined ? 'weak' : 'strong',
        ...(of === undefined ? {} : { of }),
      },
      evidence,
    ),
  ];
}

function isDump({ container }: Use): boolean {
  return dumpCommand.test(commandText(container)) || isBackupImage(container);
}

/** A program that does nothing but make backups. */
export function isBackupImage({ image }: Pick<Use['container'], 'image'>): boolean {
  return backupImages.test(imagePath(image));
}

function isBackupUse(look: Look, use: Use): boolean {
  if (isDump(use))
    return (
      backupPath.test(use.mount.path) ||
      use.workload.role === 'job' ||
      backupImages.test(imagePath(use.container.image)) ||
      look.builder.serverOf(use.workload) === undefined
    );
  // What ships the dumps elsewhere, and the database itself that has the folder mounted beside its own.
  if (use.workload.role === 'job' && copyCommand.test(commandText(use.container))) return true;
  return look.builder.serverOf(use.workload) !== undefined && backupPath.test(use.mount.path);
}

/** What a container runs: its command, and the scripts from ConfigMaps that this names. */
export function commandText({ command, files, image }: Use['container']): string {
  const words = command.join(' ');
  // Images of these programs run them: only the arguments are written down.
  const program = programImages.exec(imagePath(image))?.[2];
  const line = program === undefined || words.includes(program) ? words : `${program} ${words}`;
  return [line, ...files.filter((file) => line.includes(file.key)).map((file) => file.content)].join('\n');
}

function commandEvidence(use: Use): ReturnType<typeof evidenceOfImage> {
  const match = dumpCommand.exec(commandText(use.container))?.[0];
  if (match === undefined) return evidenceOfImage(use);
  return {
    object: use.workload.name,
    namespace: use.workload.namespace,
    field: `${use.container.path}.command`,
    value: match.slice(0, 80),
  };
}

/** The server that the writers use, or are. */
function sourceOf(look: Look, used: readonly Use[]): AssetId | undefined {
  for (const { workload } of used) {
    const own = look.builder.serverOf(workload);
    if (own !== undefined) return own;
    const [relation] = look.builder.relationsFrom(keyOf(workload), 'uses');
    if (relation !== undefined) return relation.to;
  }
  // A job that copies files with tar or restic reads them from another volume, which it mounts as well.
  for (const { workload, container } of used)
    for (const mount of container.mounts) {
      const other = look.builder.behind(workload, mount.volume).find((id) => id !== look.id);
      if (other !== undefined && look.builder.get(other)?.volume?.source !== 'emptyDir') return other;
    }
  return undefined;
}
