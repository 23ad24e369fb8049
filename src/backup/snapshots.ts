import { createHash } from 'node:crypto';
import { done, failed, waiting } from '#execution/execute';
import type { Outcome, Waiting } from '#execution/execute';
import { labelValue, objectName } from '#execution/names';
import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import type { BackupPlan, BackupStep } from '#planner/backup-plan';
import { SalvorError } from '#shared/errors';

/** Marks the claims of one cut, because a group snapshot selects its volumes by label. Taken off again at the end. */
export const cutLabel = 'salvor.dev/cut';

/** The snapshots of a cut, by claim. */
export interface TakenSnapshots {
  readonly kind: 'snapshots';
  readonly handles: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch, by the storage driver's clock. */
  readonly takenAtMs: number;
}

export interface SnapshotContext {
  readonly client: KubeClient;
  readonly plan: BackupPlan;
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

interface GroupSnapshot extends KubeObject {
  readonly status?: {
    readonly readyToUse?: boolean;
    readonly boundVolumeGroupSnapshotContentName?: string;
    readonly creationTime?: string;
    readonly error?: { readonly message?: string };
  };
}

interface GroupContent extends KubeObject {
  readonly status?: {
    readonly volumeSnapshotInfoList?: readonly { readonly volumeHandle: string; readonly snapshotHandle: string }[];
  };
}

interface VolumeSnapshot extends KubeObject {
  readonly status?: {
    readonly readyToUse?: boolean;
    readonly boundVolumeSnapshotContentName?: string;
    readonly creationTime?: string;
    readonly error?: { readonly message?: string };
  };
}

interface SnapshotContent extends KubeObject {
  readonly status?: { readonly snapshotHandle?: string };
}

/** One group snapshot of all the step's claims: all of them show the same moment. */
export async function ensureGroupSnapshot(
  step: Extract<BackupStep, { kind: 'SnapshotGroup' }>,
  context: SnapshotContext,
): Promise<Outcome<TakenSnapshots>> {
  const { client, plan, signal } = context;
  const { namespace, point } = plan;
  const cut = labelValue(point);
  // A suffix of the driver's name tells groups of the same run apart.
  const name = objectName(point, createHash('sha256').update(step.driver).digest('hex').slice(0, 6));
  const existing = await client.get<GroupSnapshot>(kinds.groupSnapshots, { name, namespace }, signal);
  if (existing === undefined) {
    await Promise.all(
      step.claims.map(async (claim) =>
        client.patch(kinds.claims, { name: claim, namespace }, { metadata: { labels: { [cutLabel]: cut } } }, signal),
      ),
    );
    await client.ensure(
      kinds.groupSnapshots,
      {
        apiVersion: 'groupsnapshot.storage.k8s.io/v1',
        kind: 'VolumeGroupSnapshot',
        metadata: { name, namespace, labels: context.labels },
        spec: {
          volumeGroupSnapshotClassName: step.groupSnapshotClass,
          source: { selector: { matchLabels: { [cutLabel]: cut } } },
        },
      },
      signal,
    );
    return waiting('the group snapshot', 100);
  }
  const { status } = existing;
  if (status?.error?.message !== undefined) return retried(status.error.message);
  if (status?.readyToUse !== true || status.boundVolumeGroupSnapshotContentName === undefined)
    return waiting('the group snapshot', 100);
  const content = await client.get<GroupContent>(
    kinds.groupSnapshotContents,
    { name: status.boundVolumeGroupSnapshotContentName },
    signal,
  );
  const pairs = content?.status?.volumeSnapshotInfoList ?? [];
  const byVolume = new Map(pairs.map((pair) => [pair.volumeHandle, pair.snapshotHandle]));
  const handles = new Map<string, string>();
  for (const asset of plan.assets) {
    if (asset.kind !== 'volume' || !step.claims.includes(asset.name)) continue;
    const handle = byVolume.get(asset.claim.csi.volumeHandle);
    if (handle === undefined)
      return failed(snapshotError(`Group snapshot ${name}`, `it holds no snapshot of claim ${asset.name}`));
    handles.set(asset.name, handle);
  }
  return done({ kind: 'snapshots', handles, takenAtMs: Date.parse(status.creationTime ?? '') || Date.now() });
}

/** A snapshot of one claim. */
export async function ensureSnapshot(
  step: Extract<BackupStep, { kind: 'SnapshotVolume' }>,
  context: SnapshotContext,
): Promise<Outcome<TakenSnapshots>> {
  const { client, plan, signal } = context;
  const name = objectName(plan.point, step.claim);
  const snapshot = await client.ensure<VolumeSnapshot>(
    kinds.snapshots,
    {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name, namespace: plan.namespace, labels: context.labels },
      spec: { volumeSnapshotClassName: step.snapshotClass, source: { persistentVolumeClaimName: step.claim } },
    },
    signal,
  );
  const { status } = snapshot;
  if (status?.error?.message !== undefined) return retried(status.error.message);
  if (status?.readyToUse !== true || status.boundVolumeSnapshotContentName === undefined)
    return waiting('the snapshot', 100);
  const content = await client.get<SnapshotContent>(
    kinds.snapshotContents,
    { name: status.boundVolumeSnapshotContentName },
    signal,
  );
  const handle = content?.status?.snapshotHandle;
  if (handle === undefined) return waiting('the snapshot', 100);
  return done({
    kind: 'snapshots',
    handles: new Map([[step.claim, handle]]),
    takenAtMs: Date.parse(status.creationTime ?? '') || Date.now(),
  });
}

/** The snapshot controller tries again by itself: a fault that stays is one. */
const snapshotPatienceMs = 60_000;

function retried(message: string): Waiting {
  return waiting(`the snapshot, which failed so far: ${message}`, 500, { patienceMs: snapshotPatienceMs });
}

function snapshotError(what: string, message: string): SalvorError {
  return new SalvorError(`${what} failed: ${message}`, {
    code: 'SnapshotFailed',
    hint: 'See: kubectl describe volumesnapshots,volumegroupsnapshots, and the log of the storage driver.',
  });
}
