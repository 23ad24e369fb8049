import type { Ledger } from '#api/ledger';
import { readNamespace } from '#discovery/inventory';
import type { NamespaceContents } from '#discovery/inventory';
import type { MoverContext } from '#execution/ensure-mover';
import { done, execute, failed } from '#execution/execute';
import type { Outcome, StepResult } from '#execution/execute';
import { withRun } from '#execution/with-run';
import type { RunRequest } from '#execution/with-run';
import { planBackup } from '#planner/backup-plan';
import type { BackupPlan, BackupStep } from '#planner/backup-plan';
import type { SnapshotId } from '#repository/types';
import { SalvorError } from '#shared/errors';
import { captureObjects } from './capture-objects.ts';
import type { StepValue } from './compose-ledger.ts';
import { ensureVolumeMoved } from './move-volume.ts';
import { parentTrees } from './parents.ts';
import { sealPoint } from './seal.ts';
import { cutLabel, ensureGroupSnapshot, ensureSnapshot } from './snapshots.ts';

/** A step that shows no sign of life for this long has failed: image pulls and slow drivers stay below it. */
const stalledAfterMs = 5 * 60_000;
export interface BackupRequest extends RunRequest {
  /** The application: a namespace. */
  readonly application: string;
  readonly hostname: string;
  readonly version: string;
  readonly onPlan?: (plan: BackupPlan) => void;
}

export interface BackupResult {
  readonly snapshot: SnapshotId;
  readonly ledger: Ledger;
  readonly elapsedMs: number;
}

/** The plan of a backup that would run now, without running it. */
export async function previewBackup(
  request: Pick<BackupRequest, 'application' | 'client' | 'clock' | 'signal'>,
): Promise<BackupPlan> {
  const contents = await readNamespace(request.client, request.application, request.signal);
  return planBackup(contents.inventory, pointName(request.application, request.clock.now()));
}

/**
 * Backs up one application. Whatever happens, what the run made in the cluster is removed again; a recovery point
 * exists only if this resolves, and its ledger says whether it is complete.
 */
export async function runBackup(request: BackupRequest): Promise<BackupResult> {
  const { client, application, clock } = request;
  const startedAtMs = clock.now();
  const run = { application, name: pointName(application, startedAtMs), claimLabel: cutLabel };
  const results = await withRun(request, run, async (movers) => {
    // Only now: the run before may have changed things until a moment ago.
    const contents = await readNamespace(client, application, movers.signal);
    const plan = planBackup(contents.inventory, run.name);
    request.onPlan?.(plan);
    return executePlan(request, { plan, contents, startedAtMs, movers });
  });
  const sealed = results.get('seal');
  if (sealed?.state === 'failed') throw sealed.error;
  if (sealed?.state !== 'done' || sealed.value.kind !== 'sealed')
    throw new SalvorError('The backup ended without a recovery point', { code: 'Internal' });
  return { snapshot: sealed.value.snapshot, ledger: sealed.value.ledger, elapsedMs: clock.now() - startedAtMs };
}

interface Work {
  readonly plan: BackupPlan;
  readonly contents: NamespaceContents;
  readonly startedAtMs: number;
  readonly movers: MoverContext;
}

async function executePlan(request: BackupRequest, work: Work): Promise<Map<string, StepResult<StepValue>>> {
  const { repository, clock, hostname, version } = request;
  const { plan, contents, startedAtMs, movers } = work;
  const { signal } = movers;
  const parents = await parentTrees(repository, plan.application, signal);
  const moving = { ...movers, point: plan.point, parents };
  const cutting = { ...movers, plan };

  const ensure = async (
    step: BackupStep,
    results: ReadonlyMap<string, StepResult<StepValue>>,
  ): Promise<Outcome<StepValue>> => {
    switch (step.kind) {
      case 'CaptureObjects':
        return done(await captureObjects(repository, contents.objects, contents.issues, startedAtMs, signal));
      case 'SnapshotGroup':
        return ensureGroupSnapshot(step, cutting);
      case 'SnapshotVolume':
        return ensureSnapshot(step, cutting);
      case 'MoveVolume': {
        const volume = plan.assets.find((asset) => asset.kind === 'volume' && asset.name === step.asset);
        const taken = results.get(step.dependsOn[0] ?? '');
        if (volume?.kind !== 'volume' || taken?.state !== 'done' || taken.value.kind !== 'snapshots') {
          return failed(new SalvorError(`The plan's step ${step.id} has no snapshot to read`, { code: 'Internal' }));
        }
        return ensureVolumeMoved(volume, taken.value, moving);
      }
      case 'SealPoint':
        return done(
          await sealPoint({ plan, repository, results, startedAtMs, nowMs: clock.now(), hostname, version, signal }),
        );
      default:
        return step satisfies never;
    }
  };
  return execute(plan.steps, ensure, {
    signal,
    clock,
    stalledAfterMs,
    ...(request.onEvent === undefined ? {} : { onEvent: request.onEvent }),
  });
}

/** `shop-20261123-194501`, in UTC: sorts by time, and is a valid name for objects. */
export function pointName(application: string, atMs: number): string {
  const digits = new Date(atMs).toISOString().replaceAll(/[-:]/g, '');
  return `${application}-${digits.slice(0, 8)}-${digits.slice(9, 15)}`;
}
