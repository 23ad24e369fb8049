import type { BackupPlan, PlannedAsset, PlannedVolume } from '#planner/backup-plan';
import { assetResult, ledgerResult } from '#api/ledger';
import type { Ledger, LedgerAsset, Skip } from '#api/ledger';
import type { StepResult } from '#execution/execute';
import type { BlobId, SnapshotId } from '#repository/types';
import { SalvorError, messagesOf } from '#shared/errors';
import type { CapturedObjects } from './capture-objects.ts';
import type { MovedVolume } from './move-volume.ts';
import type { TakenSnapshots } from './snapshots.ts';

/** What a step of a backup answers when it is done. */
export type StepValue = TakenSnapshots | CapturedObjects | MovedVolume | SealedPoint;

/** The recovery point, visible from now on. */
export interface SealedPoint {
  readonly kind: 'sealed';
  readonly snapshot: SnapshotId;
  readonly ledger: Ledger;
}

export interface LedgerContext {
  readonly plan: BackupPlan;
  readonly results: ReadonlyMap<string, StepResult<StepValue>>;
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Whether the repository really holds a tree that a mover reported. */
  readonly hasTree: (id: BlobId) => boolean;
}

/** Pure: compares the results of a run with its plan, asset by asset. */
export function composeLedger(context: LedgerContext): Ledger {
  const { plan, results } = context;
  const assets = plan.assets.map((asset) => ledgerAsset(asset, context));
  const taken = [...results.values()].flatMap((result) =>
    result.state === 'done' && result.value.kind === 'snapshots' ? [result.value.takenAtMs] : [],
  );
  return {
    apiVersion: 'salvor.dev/v1alpha1',
    kind: 'Ledger',
    point: plan.point,
    application: plan.application,
    namespace: plan.namespace,
    startedAt: new Date(context.startedAtMs).toISOString(),
    cutAt: new Date(taken.length > 0 ? Math.min(...taken) : context.startedAtMs).toISOString(),
    finishedAt: new Date(context.nowMs).toISOString(),
    consistency: plan.consistency,
    cut: plan.cut,
    result: ledgerResult(
      plan.assets.map((asset) => asset.name),
      assets,
    ),
    assets,
    skipped: [...plan.skipped, ...skippedInVolumes(results)],
  };
}

/** What movers left out of volumes, told with the rest. */
function skippedInVolumes(results: ReadonlyMap<string, StepResult<StepValue>>): Skip[] {
  return [...results.values()].flatMap((result) => {
    if (result.state !== 'done' || result.value.kind !== 'moved') return [];
    const { asset, skipped } = result.value.result;
    return skipped.map(({ path, reason }) => ({ what: `${asset}/${path}`, rule: 'leftOutOfVolume', reason }));
  });
}

function ledgerAsset(asset: PlannedAsset, context: LedgerContext): LedgerAsset {
  return asset.kind === 'objects' ? objectsEntry(asset, context) : volumeEntry(asset, context);
}

function objectsEntry(asset: Extract<PlannedAsset, { kind: 'objects' }>, context: LedgerContext): LedgerAsset {
  const base = { name: asset.name, kind: asset.kind, method: asset.method } as const;
  const result = context.results.get('objects');
  if (result?.state !== 'done' || result.value.kind !== 'objects')
    return { ...base, ...missing(result, context.results) };
  const { planned, captured, hash, storedBytes, issues } = result.value;
  // The plan counted the objects before; fewer now is short, whatever the reason.
  const counted = { items: Math.max(planned.items, asset.count), bytes: planned.bytes };
  return {
    ...base,
    planned: counted,
    captured,
    hash,
    storedBytes,
    issues: [...issues],
    issuesTotal: issues.length,
    result: assetResult(counted, captured, hash, issues.length),
  };
}

function volumeEntry(asset: PlannedVolume, context: LedgerContext): LedgerAsset {
  const { claim } = asset;
  const base: Pick<LedgerAsset, 'name' | 'kind' | 'method' | 'volume'> = {
    name: asset.name,
    kind: asset.kind,
    method: asset.method,
    volume: {
      claim: claim.name,
      capacityBytes: claim.capacityBytes,
      accessModes: [...claim.accessModes],
      ...(claim.storageClass === undefined ? {} : { storageClass: claim.storageClass }),
    },
  };
  const result = context.results.get(`move/${asset.name}`);
  if (result?.state !== 'done' || result.value.kind !== 'moved')
    return { ...base, ...missing(result, context.results) };
  const moved = result.value.result;
  if (!context.hasTree(moved.tree)) {
    return {
      ...base,
      ...unfound('RepositoryCorrupt', `The mover reported tree ${moved.tree}, which the repository does not hold`),
    };
  }
  const { ledger, issues, issuesTotal } = moved;
  const planned = { items: ledger.plannedItems, bytes: ledger.plannedBytes };
  const captured = { items: ledger.capturedItems, bytes: ledger.capturedBytes };
  return {
    ...base,
    planned,
    captured,
    hash: moved.tree,
    storedBytes: moved.storedBytes,
    issues: [...issues],
    issuesTotal,
    result: assetResult(planned, captured, moved.tree, issuesTotal),
  };
}

type Failure = Pick<LedgerAsset, 'captured' | 'storedBytes' | 'result' | 'issues' | 'issuesTotal'>;

function missing(
  result: StepResult<StepValue> | undefined,
  results: ReadonlyMap<string, StepResult<StepValue>>,
): Failure {
  // A blocked step tells nothing by itself: the reason is the first one that failed.
  let cause = result;
  for (let depth = 0; depth < results.size && cause?.state === 'blocked'; depth++) cause = results.get(cause.by);
  const error = cause?.state === 'failed' ? cause.error : new SalvorError('The step did not run', { code: 'Internal' });
  return unfound(error.code, messagesOf(error).join(': '));
}

function unfound(code: string, message: string): Failure {
  return {
    captured: { items: 0, bytes: 0 },
    storedBytes: 0,
    result: 'Missing',
    issues: [{ path: '', code, message }],
    issuesTotal: 1,
  };
}
