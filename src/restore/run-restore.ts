import { groupKindOf, kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { Skip } from '#api/ledger';
import type { MoverContext } from '#execution/ensure-mover';
import { done, execute, failed } from '#execution/execute';
import type { Outcome, StepResult } from '#execution/execute';
import { withRun } from '#execution/with-run';
import type { Run, RunRequest } from '#execution/with-run';
import { resourceFinder } from '#kube/api-resources';
import type { RestoreResult as MoverRestoreResult } from '#mover/protocol';
import { SalvorError } from '#shared/errors';
import { applyObjects } from './apply-objects.ts';
import type { ObjectReport } from './apply-objects.ts';
import { loadObjects } from './load-objects.ts';
import type { StoredObjects } from './load-objects.ts';
import type { Point } from './points.ts';
import { ensureNamespace, finishNamespace, restoringAnnotation, targetExists } from './prepare-namespace.ts';
import { ensureReady } from './readiness.ts';
import { objectKey, planRestore } from './restore-plan.ts';
import type { RestorePlan, RestoreStep } from './restore-plan.ts';
import { settleVolumes, ensureVolumeRestored } from './restore-volume.ts';
import type { RestoredVolume, VolumeContext } from './restore-volume.ts';

const stalledAfterMs = 5 * 60_000;

export interface RestoreRequest extends RunRequest {
  readonly point: Point;
  readonly acceptPartial: boolean;
  readonly onPlan?: (plan: RestorePlan) => void;
}

export interface RestoreResult {
  readonly namespace: string;
  readonly objects: readonly ObjectReport[];
  readonly volumes: readonly RestoredVolumeReport[];
  readonly skipped: readonly Skip[];
  /** Steps that failed, with what to tell. Empty: everything is back and ready. */
  readonly failures: readonly { readonly step: string; readonly error: SalvorError }[];
  readonly elapsedMs: number;
}

export interface RestoredVolumeReport {
  readonly asset: string;
  /** Missing when an earlier run had restored it. */
  readonly result?: MoverRestoreResult;
}

type StepValue =
  | { readonly kind: 'namespace' }
  | { readonly kind: 'applied'; readonly reports: readonly ObjectReport[] }
  | RestoredVolume
  | { readonly kind: 'ready'; readonly workloads: number };

/** The plan of a restore, without running it. */
export async function previewRestore(
  request: Pick<RestoreRequest, 'point' | 'acceptPartial' | 'repository' | 'signal'>,
): Promise<RestorePlan> {
  const stored = await loadObjects(request.repository, request.point, request.signal);
  return planRestore(request.point.ledger, stored, request);
}

/**
 * Brings a recovery point back into its namespace, which must not exist. A restore that was cut off is continued by
 * running it again.
 */
export async function runRestore(request: RestoreRequest): Promise<RestoreResult> {
  const { client, clock, point } = request;
  const startedAtMs = clock.now();
  const { namespace } = point.ledger;
  const stored = await loadObjects(request.repository, point, request.signal);
  const plan = planRestore(point.ledger, stored, request);
  const existing = await client.get(kinds.namespaces, { name: namespace }, request.signal);
  const unfinished =
    existing?.metadata.deletionTimestamp !== undefined ||
    existing?.metadata.annotations?.[restoringAnnotation] === point.name;
  if (existing !== undefined && !unfinished) throw targetExists(namespace);
  request.onPlan?.(plan);
  const run: Run = {
    application: namespace,
    // The same name for every run of this restore: what an interrupted one has filled is found again.
    name: `restore-${point.name}`,
    cleanUp: async (selector, signal) => settleVolumes(client, selector, signal),
  };
  return withRun(request, run, async (movers) => {
    const moved: VolumeContext['moved'] = new Map();
    const results = await executePlan(request, { plan, stored, moved, movers });
    const result = resultOf(plan, results, moved, clock.now() - startedAtMs);
    if (result.failures.length === 0) await finishNamespace(client, point.name, namespace, movers.signal);
    return result;
  });
}

interface Work {
  readonly plan: RestorePlan;
  readonly stored: StoredObjects;
  readonly moved: VolumeContext['moved'];
  readonly movers: MoverContext;
}

async function executePlan(request: RestoreRequest, work: Work): Promise<Map<string, StepResult<StepValue>>> {
  const { client, clock, point } = request;
  const { plan, stored, movers } = work;
  const { signal } = movers;
  const { namespace } = plan;
  const find = resourceFinder(client);
  const objects = new Map<string, KubeObject>(
    [...stored.cluster, ...stored.objects].map((object) => [objectKey(object), object]),
  );
  const volumes = await volumeContext(request, work);

  const ensure = async (step: RestoreStep): Promise<Outcome<StepValue>> => {
    switch (step.kind) {
      case 'PrepareNamespace': {
        const object = stored.objects.find((one) => groupKindOf(one) === 'Namespace');
        return ensureNamespace(client, { point: point.name, name: namespace, object }, signal);
      }
      case 'ApplyObjects': {
        const chosen = step.objects.flatMap((key) => objects.get(key) ?? []);
        const scope = step.phase === 'cluster' ? 'cluster' : 'namespace';
        return done({
          kind: 'applied',
          reports: await applyObjects(chosen, scope, { client, namespace, find, signal }),
        });
      }
      case 'RestoreVolume': {
        const asset = plan.volumes.find((volume) => volume.volume.claim === step.claim);
        if (asset === undefined)
          return failed(new SalvorError(`The recovery point does not hold claim ${step.claim}`, { code: 'Internal' }));
        return ensureVolumeRestored(asset, volumes);
      }
      case 'WaitReady':
        return ensureReady(client, namespace, signal);
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

async function volumeContext(
  { client, point }: RestoreRequest,
  { plan, stored, moved, movers }: Work,
): Promise<VolumeContext> {
  const classes = await Array.fromAsync(client.list(kinds.storageClasses, { signal: movers.signal }));
  const claims = stored.objects.filter((object) => groupKindOf(object) === 'PersistentVolumeClaim');
  return {
    ...movers,
    namespace: plan.namespace,
    snapshot: point.snapshot.id,
    storedClaims: new Map(claims.map((object) => [object.metadata.name, object])),
    storageClasses: new Set(classes.map((object) => object.metadata.name)),
    moved,
  };
}

function resultOf(
  plan: RestorePlan,
  results: ReadonlyMap<string, StepResult<StepValue>>,
  moved: VolumeContext['moved'],
  elapsedMs: number,
): RestoreResult {
  const values = [...results.values()].flatMap((result) => (result.state === 'done' ? [result.value] : []));
  const objects = values.flatMap((value) => (value.kind === 'applied' ? value.reports : []));
  const refused = objects.filter((report) => report.result === 'failed');
  const failures = plan.steps.flatMap((step) => {
    const result = results.get(step.id);
    return result?.state === 'failed' ? [{ step: step.title, error: result.error }] : [];
  });
  const objectFailures = refused.map((report) => ({
    step: report.object,
    error: new SalvorError(`${report.object}: ${report.reason}`, { code: 'ClusterRefused' }),
  }));
  return {
    namespace: plan.namespace,
    objects,
    volumes: values.flatMap((value) => {
      if (value.kind !== 'volume') return [];
      const result = moved.get(value.asset);
      return [{ asset: value.asset, ...(result === undefined ? {} : { result }) }];
    }),
    skipped: plan.skipped,
    failures: [...failures, ...objectFailures],
    elapsedMs,
  };
}
