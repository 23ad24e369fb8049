import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import { exitCodes } from '#shared/errors';
import { assetLabel, labelValue, systemNamespace } from './names.ts';

/** A mover that was evicted or killed is started again; one that fails by itself three times will not succeed. */
const backupAttemptsMax = 3;
/** A half-written volume is not written into again: a failed restore starts over with a new volume. */
const restoreAttemptsMax = 1;
/** Exit codes that another attempt would only repeat: internal, usage, not found, refused, key (docs/reference/exit-codes.md). */
const finalExitCodes = [exitCodes.failed, exitCodes.usage, exitCodes.notFound, exitCodes.refused, exitCodes.key];
/** If the run dies, Kubernetes itself removes the finished Job. */
const keepFinishedSeconds = 3_600;
/** Files of any owner are read; nothing else. */
const backupCapabilities = ['DAC_OVERRIDE'];
/** Owners, modes, devices and file capabilities are set on what is restored. */
const restoreCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'MKNOD', 'SETFCAP'];

export interface MoverSpec {
  readonly name: string;
  readonly asset: string;
  /** The claim in Salvor's namespace that is mounted at /data. */
  readonly claim: string;
  readonly image: string;
  /** The Secret that holds the store's credentials and the repository's key. */
  readonly secret: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly task: { readonly kind: 'backup' | 'restore' };
  /** Counts the Jobs of that name in this run, from 1. */
  readonly attempt: number;
}

const attemptAnnotation = 'salvor.dev/attempt';

/** Where the mover finds its volume. */
export const moverDataPath = '/data';

/** The Job of one mover: root inside its pod, because files of all owners are moved, and nothing more than that. */
export function moverJob(spec: MoverSpec): KubeObject {
  const reading = spec.task.kind === 'backup';
  const labels = { ...spec.labels, [assetLabel]: labelValue(spec.asset) };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: spec.name,
      namespace: systemNamespace,
      labels,
      annotations: { [attemptAnnotation]: String(spec.attempt) },
    },
    spec: {
      backoffLimit: (reading ? backupAttemptsMax : restoreAttemptsMax) - 1,
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onExitCodes: { containerName: 'mover', operator: 'In', values: finalExitCodes } }],
      },
      ttlSecondsAfterFinished: keepFinishedSeconds,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'mover',
              image: spec.image,
              imagePullPolicy: 'IfNotPresent',
              command: ['node', '/app/mover.mjs'],
              env: [
                { name: 'SALVOR_TASK', value: JSON.stringify(spec.task) },
                { name: 'SALVOR_SECRETS_DIR', value: '/secrets' },
              ],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'], add: reading ? backupCapabilities : restoreCapabilities },
              },
              resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } },
              volumeMounts: [
                { name: 'data', mountPath: moverDataPath, readOnly: reading },
                { name: 'secrets', mountPath: '/secrets', readOnly: true },
                { name: 'tmp', mountPath: '/tmp' },
              ],
            },
          ],
          volumes: [
            { name: 'data', persistentVolumeClaim: { claimName: spec.claim } },
            { name: 'secrets', secret: { secretName: spec.secret, defaultMode: 0o400 } },
            // The index of a large repository lies here: 100 bytes a blob while it is read, and 10 TiB have 10 million or more.
            { name: 'tmp', emptyDir: { sizeLimit: '4Gi' } },
          ],
        },
      },
    },
  };
}

export interface Job extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly failed?: number;
  };
}

/** Which Job of its name this is, in this run. */
export function attemptOf(job: Job): number {
  return Number(job.metadata.annotations?.[attemptAnnotation] ?? '1');
}

interface Pod extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string };
  };
}

interface Event extends KubeObject {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly series?: { readonly count?: number };
}

/** What the cluster says of a mover's Job right now. */
export type MoverState =
  | { readonly state: 'waiting'; readonly why: string; readonly looksBroken: boolean }
  | { readonly state: 'running'; readonly lastLine: string | undefined; readonly attempt: number }
  /** `message` is what the mover left as its termination message, or else its last line; `reason` what Kubernetes says. */
  | { readonly state: 'succeeded'; readonly message: string }
  | { readonly state: 'failed'; readonly message: string; readonly reason: string };

/** Reads the state of a mover from its Job, its newest pod, that pod's events and its last line of output. */
export async function moverState(client: KubeClient, job: Job, signal: AbortSignal): Promise<MoverState> {
  const pods = await Array.fromAsync(
    client.list<Pod>(kinds.pods, {
      namespace: systemNamespace,
      // By uid: pods of an earlier Job of the same name may still be there.
      labelSelector: `batch.kubernetes.io/controller-uid=${job.metadata.uid ?? ''}`,
      signal,
    }),
  );
  const pod = pods
    .toSorted((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))
    .at(-1);
  const container = pod?.status?.containerStatuses?.[0]?.state;
  const conditions = job.status?.conditions ?? [];
  const holds = (type: string) =>
    conditions.find((condition) => condition.type === type && condition.status === 'True');
  if (holds('Complete') !== undefined) {
    const message = container?.terminated?.message || (await lastLogLine(client, pod, signal));
    return { state: 'succeeded', message: message ?? '' };
  }
  const failure = holds('Failed') ?? holds('FailureTarget');
  if (failure !== undefined) {
    const { terminated } = container ?? {};
    const killed =
      terminated === undefined || terminated.message ? '' : ` (${terminated.reason ?? 'exit'} ${terminated.exitCode})`;
    return {
      state: 'failed',
      message: terminated?.message ?? '',
      reason: `${pod?.status?.message ?? failure.message ?? failure.reason ?? 'unknown'}${killed}`,
    };
  }
  if (container?.terminated !== undefined) return { state: 'waiting', why: 'its Job to end', looksBroken: false };
  if (pod === undefined) return { state: 'waiting', why: 'its pod to be made', looksBroken: false };
  if (container?.running !== undefined)
    return {
      state: 'running',
      lastLine: await lastLogLine(client, pod, signal),
      attempt: (job.status?.failed ?? 0) + 1,
    };
  return pending(client, pod, container, signal);
}

const brokenWaits = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
]);

async function pending(
  client: KubeClient,
  pod: Pod,
  container: ContainerStatus['state'],
  signal: AbortSignal,
): Promise<MoverState> {
  const reason = container?.waiting?.reason;
  if (reason !== undefined && brokenWaits.has(reason))
    return { state: 'waiting', why: `${reason}: ${container?.waiting?.message ?? ''}`, looksBroken: true };
  const unscheduled = pod.status?.conditions?.find(
    (condition) => condition.type === 'PodScheduled' && condition.status === 'False',
  );
  if (unscheduled !== undefined)
    return {
      state: 'waiting',
      why: `its pod cannot be scheduled: ${unscheduled.message ?? unscheduled.reason ?? ''}`,
      looksBroken: false,
    };
  const warning = await lastWarning(client, pod, signal);
  if (warning !== undefined)
    return { state: 'waiting', why: `${warning.reason ?? 'Warning'}: ${warning.message ?? ''}`, looksBroken: true };
  return { state: 'waiting', why: 'its pod to start', looksBroken: false };
}

async function lastWarning(client: KubeClient, pod: Pod, signal: AbortSignal): Promise<Event | undefined> {
  const fieldSelector = `involvedObject.uid=${pod.metadata.uid ?? ''},type=Warning`;
  const events = await Array.fromAsync(
    client.list<Event>(kinds.events, { namespace: systemNamespace, fieldSelector, signal }),
  );
  // One failed mount is often a race with the storage driver; the kubelet tries again.
  return events.findLast(
    (event) => event.reason !== 'FailedScheduling' && (event.series?.count ?? event.count ?? 1) >= 2,
  );
}

async function lastLogLine(client: KubeClient, pod: Pod | undefined, signal: AbortSignal): Promise<string | undefined> {
  if (pod === undefined) return undefined;
  const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod.metadata.name}/log`;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of client.stream(path, { tailLines: '1', limitBytes: '4096', container: 'mover' }, signal))
      chunks.push(chunk);
  } catch (error) {
    signal.throwIfAborted();
    // The container may have ended since; the next question will tell. Progress is a comfort, not a fact.
    void error;
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8').trimEnd() || undefined;
}
