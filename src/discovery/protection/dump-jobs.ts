import type { Asset, AssetId } from '#api/asset';
import { keyOf } from '../builder.ts';
import { commandText, dumpCommand, isBackupImage, moveCommand } from '../contents/backups.ts';
import { copyCommandsIn } from '../contents/copy-commands.ts';
import type { CopyCommand } from '../contents/copy-commands.ts';
import { isBelow } from '../contents/look.ts';
import type { Container } from '../containers.ts';
import { at, text } from '../fields.ts';
import type { Workload } from '../workloads.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { healthOf, hotCopy, protectionBy } from './doing.ts';
import type { But } from './doing.ts';

/** Commands and settings by which what was dumped leaves the cluster. */
const leavesCluster =
  /\b(aws\s+s3|s3cmd|mc\s+(cp|mirror|pipe)|gsutil|gcloud\s+storage|azcopy|scp)\b|\bcurl\s+[^|\n]*(-T|--upload-file)\s|\brclone\s[^;&|\n]*\s[\w-]+:|\b(s3|gs|b2|azure|sftp|rest|swift|rclone):|ssh:\/\/|\w@[\w.-]+:/;
const cloudVariable = /^(S3_|AWS_|RESTIC_REPOSITORY|B2_|GCS_|AZURE_|BACKUP_BUCKET|BUCKET|RCLONE_)/;
/** Loops in a running pod are schedules, too. */
const loop = /\b(while\s+(true|:)|crond?\b|supercronic|go-cron)/;

/**
 * CronJobs, and pods with a loop, that dump a database or copy volumes by a program everybody knows: what they are judged by is
 * their command, what they use, and where they write.
 */
export const dumpJobs: ProtectionDetector = {
  tool: 'job',
  detect: (input) =>
    input.workloads
      .filter((workload) => isScheduled(workload))
      .flatMap((workload) => workload.containers.flatMap((container) => byContainer(input, workload, container))),
};

function isScheduled({ object, containers }: Workload): boolean {
  if (object.kind === 'CronJob' || object.kind === 'CronWorkflow') return true;
  return containers.some(
    (container) =>
      isBackupImage(container) || (loop.test(commandText(container)) && dumpCommand.test(commandText(container))),
  );
}

function byContainer(input: ProtectionInput, workload: Workload, container: Container) {
  const command = commandText(container);
  const dump = dumpCommand.exec(command)?.[0] ?? (isBackupImage(container) ? container.image : undefined);
  const but = [health(input, workload), destination(input, workload, container)];
  const base = { tool: 'job', object: workload.object, field: `${container.path}.command` };
  if (dump !== undefined)
    return dumpedServers(input, workload).map((asset) =>
      protectionBy({ ...base, asset, how: `dumps it with ${program(dump)}`, value: dump.slice(0, 80), but }),
    );
  if (moveCommand.test(command)) return [];
  return copyCommandsIn(command).flatMap((copy) =>
    copiedVolumes(input, workload, { container, copy }).map((asset) =>
      protectionBy({
        ...base,
        asset,
        how: `copies it with ${copy.program}`,
        value: copy.words,
        but: [...but, hotCopy(asset, base.field, copy.words)],
      }),
    ),
  );
}

function program(command: string): string {
  return /[\w./-]+/.exec(command)?.[0] ?? command;
}

/** What the workload talks to. */
function dumpedServers({ assets, relations }: ProtectionInput, workload: Workload): Asset[] {
  const used = new Set<AssetId>(
    relations.filter(({ from, type }) => from === keyOf(workload) && type === 'uses').map(({ to }) => to),
  );
  return assets.filter((asset) => used.has(asset.id) && (asset.kind === 'database' || asset.kind === 'queue'));
}

interface Copying {
  readonly container: Container;
  readonly copy: CopyCommand;
}

/** The claims that are mounted where the command reads. */
function copiedVolumes({ assets }: ProtectionInput, workload: Workload, { container, copy }: Copying): Asset[] {
  const isRead = (path: string): boolean =>
    copy.sources.some((source) => isBelow(source, path) || isBelow(path, source) || source === '/');
  return assets.filter(
    (asset) =>
      asset.kind === 'volume' &&
      asset.volume?.claim !== undefined &&
      asset.namespace === workload.namespace &&
      asset.volume.mounts.some(
        (mount) => mount.workload === workload.name && mount.container === container.name && isRead(mount.path),
      ),
  );
}

function health(input: ProtectionInput, { object }: Workload): But | undefined {
  if (object.kind !== 'CronJob') return undefined;
  return healthOf(input, {
    paused: { field: 'spec.suspend', value: at(object['spec'], 'suspend') },
    succeeded: { field: 'status.lastSuccessfulTime', value: text(at(object['status'], 'lastSuccessfulTime')) },
  });
}

/** A dump that only lies on a claim is lost with the cluster. */
function destination({ assets }: ProtectionInput, workload: Workload, container: Container): But | undefined {
  const whole = workload.containers.map(commandText).join('\n');
  const variables = workload.containers.flatMap((one) => one.variables);
  const isCloud = variables.some(({ name, value }) => cloudVariable.test(name) && value?.startsWith('/') !== true);
  if (leavesCluster.test(whole) || isCloud) return undefined;
  const target = assets.find(
    (asset) =>
      asset.kind === 'volume' &&
      asset.namespace === workload.namespace &&
      asset.volume?.mounts.some(
        (mount) => mount.workload === workload.name && mount.container === container.name && !mount.readOnly,
      ) === true,
  );
  if (target?.volume === undefined) return undefined;
  const path = target.volume.mounts.find((mount) => mount.workload === workload.name)?.path ?? '';
  const field = `${container.path}.volumeMounts`;
  if (target.volume.source === 'emptyDir')
    return { trouble: 'incomplete', says: 'writes to a folder that ends with its pod', field, value: path };
  if (target.volume.driver === 'nfs') return undefined;
  return { trouble: 'sameCluster', says: `writes to ${target.name}, a volume of the same cluster`, field, value: path };
}
