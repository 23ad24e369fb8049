import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { ensureMover } from '#execution/ensure-mover';
import type { MoverContext } from '#execution/ensure-mover';
import { done, failed, waiting } from '#execution/execute';
import type { Outcome } from '#execution/execute';
import { assetLabel, labelValue, managedByLabels, objectName, systemNamespace } from '#execution/names';
import { ensureEmptyClaim } from '#execution/staging';
import type { KubeClient } from '#kube/client';
import type { RestoreResult } from '#mover/protocol';
import type { SnapshotId } from '#repository/types';
import { SalvorError } from '#shared/errors';
import type { VolumeAsset } from './restore-plan.ts';
import { sanitize } from './sanitize.ts';

/** The reclaim policy a volume had before it was handed over. */
const policyAnnotation = 'salvor.dev/reclaim-policy';

export interface VolumeContext extends MoverContext {
  readonly namespace: string;
  readonly snapshot: SnapshotId;
  /** The claims as they were stored, by name. */
  readonly storedClaims: ReadonlyMap<string, KubeObject>;
  /** Classes of this cluster; another is replaced by the default one. */
  readonly storageClasses: ReadonlySet<string>;
  /** What movers of this run answered, by asset. Empty for volumes that an earlier, interrupted run had finished. */
  readonly moved: Map<string, RestoreResult>;
}

interface Volume extends KubeObject {
  readonly spec: {
    readonly claimRef?: { readonly namespace?: string; readonly name?: string };
    readonly persistentVolumeReclaimPolicy?: string;
  };
}

interface Claim extends KubeObject {
  readonly spec: { readonly volumeName?: string };
  readonly status?: { readonly phase?: string };
}

export interface RestoredVolume {
  readonly kind: 'volume';
  readonly asset: string;
}

/**
 * Fills a new volume in Salvor's namespace and hands it over to the application's: the application's namespace
 * never holds the store's credentials, and its quotas, policies and pod security do not hinder the mover. Every
 * state is read from the cluster, so a restore that was cut off anywhere goes on from there.
 */
export async function ensureVolumeRestored(
  asset: VolumeAsset,
  context: VolumeContext,
): Promise<Outcome<RestoredVolume>> {
  const { client, namespace, signal } = context;
  const { claim } = asset.volume;
  const restored = done<RestoredVolume>({ kind: 'volume', asset: asset.name });
  const target = await client.get<Claim>(kinds.claims, { name: claim, namespace }, signal);
  if (target?.status?.phase === 'Bound' && target.spec.volumeName !== undefined) {
    await releaseVolume(client, target.spec.volumeName, signal);
    return restored;
  }
  const volume = await filledVolume(asset, context);
  if (volume === undefined) return ensureFilled(asset, context);
  const { claimRef } = volume.spec;
  if (claimRef?.namespace === systemNamespace) return handOver(asset, volume, context);
  if (target === undefined)
    await client.ensure(kinds.claims, targetClaim(asset, volume.metadata.name, context), signal);
  return waiting(`claim ${claim} to be bound`);
}

/** The volume that a mover has filled for this asset: marked so that it is found again after its claim is gone. */
async function filledVolume(asset: VolumeAsset, context: VolumeContext): Promise<Volume | undefined> {
  const { client, labels, signal } = context;
  const labelSelector = Object.entries({ ...labels, [assetLabel]: labelValue(asset.name) })
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
  const [volume] = await Array.fromAsync(client.list<Volume>(kinds.volumes, { labelSelector, signal }));
  return volume;
}

async function ensureFilled(asset: VolumeAsset, context: VolumeContext): Promise<Outcome<RestoredVolume>> {
  const { client, labels, signal, namespace } = context;
  const { accessModes, capacityBytes, storageClass } = asset.volume;
  const name = stagingName(asset, context);
  const known = storageClass !== undefined && context.storageClasses.has(storageClass);
  const outcome = await ensureMover(context, {
    kind: 'restore',
    name,
    asset: asset.name,
    task: { snapshot: context.snapshot, from: `/${namespace}/volumes/${asset.name}` },
    ensureClaim: async () =>
      ensureEmptyClaim(
        client,
        { name, storageClass: known ? storageClass : undefined, capacityBytes, labels, accessModes },
        signal,
      ),
  });
  if (outcome.state === 'waiting' && outcome.progress !== undefined) {
    // The mover learns the size only on its way; the ledger knows it.
    const totalBytes = Math.max(asset.captured.bytes, outcome.progress.doneBytes);
    return { ...outcome, progress: { ...outcome.progress, totalBytes } };
  }
  if (outcome.state !== 'done') return outcome;
  const result = outcome.value;
  if (result.issuesTotal > 0 || result.differencesTotal > 0) return failed(differs(asset, result));
  context.moved.set(asset.name, result);
  return markFilled(asset, name, context);
}

function differs(asset: VolumeAsset, result: RestoreResult): SalvorError {
  const first = result.issues[0]?.message ?? result.differences.map((one) => `${one.path}: ${one.what}`)[0] ?? '';
  return new SalvorError(
    `Volume ${asset.name} was restored with ${result.issuesTotal} errors and ${result.differencesTotal} differences: ${first}`,
    {
      code: 'RestoreFailed',
      hint: 'Its data was not handed to the application. Check the repository with: salvor verify',
    },
  );
}

/** Keeps the volume alive without a claim, and findable. */
async function markFilled(
  asset: VolumeAsset,
  claimName: string,
  context: VolumeContext,
): Promise<Outcome<RestoredVolume>> {
  const { client, labels, signal } = context;
  const staging = await client.get<Claim>(kinds.claims, { name: claimName, namespace: systemNamespace }, signal);
  const volumeName = staging?.spec.volumeName;
  const volume =
    volumeName === undefined ? undefined : await client.get<Volume>(kinds.volumes, { name: volumeName }, signal);
  if (volume === undefined || volumeName === undefined)
    return failed(
      new SalvorError(`The volume filled for ${asset.name} is gone`, { code: 'RestoreFailed', hint: 'Run again.' }),
    );
  const policy = volume.spec.persistentVolumeReclaimPolicy ?? 'Delete';
  await client.patch(
    kinds.volumes,
    { name: volumeName },
    {
      metadata: {
        labels: { ...labels, [assetLabel]: labelValue(asset.name) },
        annotations: { [policyAnnotation]: policy },
      },
      spec: { persistentVolumeReclaimPolicy: 'Retain' },
    },
    signal,
  );
  return waiting('its volume to be handed over', 0);
}

async function handOver(asset: VolumeAsset, volume: Volume, context: VolumeContext): Promise<Outcome<RestoredVolume>> {
  const { client, signal, namespace } = context;
  const name = stagingName(asset, context);
  const ref = { name, namespace: systemNamespace };
  if ((await client.get(kinds.claims, ref, signal)) !== undefined) {
    await client.delete(kinds.jobs, ref, signal);
    await client.delete(kinds.claims, ref, signal);
    return waiting('its volume to be handed over', 200);
  }
  const claimRef = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    namespace,
    name: asset.volume.claim,
    uid: null,
    resourceVersion: null,
  };
  await client.patch(
    kinds.volumes,
    volume.metadata,
    { metadata: { annotations: { 'pv.kubernetes.io/bound-by-controller': null } }, spec: { claimRef } },
    signal,
  );
  return waiting('its volume to be handed over', 0);
}

function targetClaim(asset: VolumeAsset, volumeName: string, context: VolumeContext): KubeObject {
  const { namespace } = context;
  const { volume } = asset;
  const stored = context.storedClaims.get(volume.claim);
  const clean: KubeObject =
    stored === undefined
      ? { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: volume.claim } }
      : sanitize(stored);
  const spec = {
    resources: { requests: { storage: String(volume.capacityBytes) } },
    accessModes: volume.accessModes,
    ...(clean['spec'] as object),
  };
  const { storageClass } = volume;
  const known = storageClass !== undefined && context.storageClasses.has(storageClass);
  return {
    ...clean,
    metadata: { ...clean.metadata, namespace },
    spec: { ...spec, volumeName, ...(known ? {} : { storageClassName: undefined }) },
  };
}

/** Gives the bound volume back the reclaim policy of its class, and takes off what a restore had marked it with. */
async function releaseVolume(client: KubeClient, name: string, signal: AbortSignal): Promise<void> {
  const volume = await client.get<Volume>(kinds.volumes, { name }, signal);
  const policy = volume?.metadata.annotations?.[policyAnnotation];
  if (policy === undefined) return;
  const labels = Object.fromEntries(
    Object.keys(volume?.metadata.labels ?? {})
      .filter((label) => label.startsWith('salvor.dev/') || label in managedByLabels)
      .map((label) => [label, null]),
  );
  await client.patch(
    kinds.volumes,
    { name },
    {
      metadata: { annotations: { [policyAnnotation]: null }, labels },
      spec: { persistentVolumeReclaimPolicy: policy },
    },
    signal,
  );
}

function stagingName(asset: VolumeAsset, context: VolumeContext): string {
  return objectName('restore', context.namespace, asset.name);
}

/**
 * Volumes of a restore that ended early. Those that the application's claims have are wholly theirs now; nobody will
 * claim the others, so their storage goes, too.
 */
export async function settleVolumes(client: KubeClient, selector: string, signal: AbortSignal): Promise<void> {
  for await (const volume of client.list<Volume>(kinds.volumes, { labelSelector: selector, signal })) {
    const { claimRef } = volume.spec;
    const claim =
      claimRef?.name === undefined
        ? undefined
        : await client.get(kinds.claims, { name: claimRef.name, namespace: claimRef.namespace }, signal);
    if (claim !== undefined) {
      await releaseVolume(client, volume.metadata.name, signal);
      continue;
    }
    await client.patch(kinds.volumes, volume.metadata, { spec: { persistentVolumeReclaimPolicy: 'Delete' } }, signal);
    await client.delete(kinds.volumes, volume.metadata, signal);
  }
}
