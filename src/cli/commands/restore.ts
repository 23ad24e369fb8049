import { findPoint } from '#restore/points';
import { previewRestore, runRestore } from '#restore/run-restore';
import type { RestoreResult } from '#restore/run-restore';
import type { RestorePlan } from '#restore/restore-plan';
import { formatBytes } from '#shared/bytes';
import { exitCodes } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { defaultMoverImage } from '../mover-image.ts';
import { openCluster, openRepositoryFor, refuseLocalStore, storePlaces } from '../open.ts';
import { formatError } from '../output/error.ts';
import { print } from '../output/print.ts';
import { progressFor } from '../output/progress.ts';

export interface RestoreFlags extends StoreFlags, ClusterFlags {
  readonly moverImage?: string;
  readonly acceptPartial: boolean;
  readonly dryRun: boolean;
  readonly output: OutputFormat;
}

/** `salvor restore POINT` */
export async function restore(this: CliContext, flags: RestoreFlags, pointName: string): Promise<void> {
  const client = await openCluster(this, flags);
  const { clock, signal } = this;
  if (!flags.dryRun) refuseLocalStore(storePlaces(this, flags));
  await using opened = await openRepositoryFor(this, flags, async () => client, 'fail');
  const { repository } = opened;
  const point = await findPoint(repository, pointName, signal);
  const { acceptPartial } = flags;
  if (flags.dryRun) {
    const plan = await previewRestore({ point, acceptPartial, repository, signal });
    await print(
      this,
      {
        value: plan,
        names: plan.steps.map((step) => step.id),
        rows: planRows(plan),
        after: `\nRun it: salvor restore ${pointName}`,
      },
      flags.output,
    );
    return;
  }
  const progress = progressFor(this, flags.output);
  let result: RestoreResult;
  try {
    result = await runRestore({
      point,
      acceptPartial,
      repository,
      client,
      clock,
      signal,
      storeLocation: opened.storeForPods,
      secrets: opened.secrets,
      moverImage: flags.moverImage ?? this.settings.moverImage ?? defaultMoverImage(this.version),
      onPlan: (plan) =>
        progress.note(
          `Plan: ${plan.volumes.length} volumes, ${plan.steps.length} steps, into namespace ${plan.namespace}.`,
        ),
      onEvent: progress.event,
      onNote: progress.note,
    });
  } finally {
    progress.end();
  }
  await print(
    this,
    { value: result, names: [result.namespace], rows: resultRows(result), after: resultSentences(result) },
    flags.output,
  );
  if (result.failures.length > 0) this.setExitCode(exitCodes.partial);
}

function planRows(plan: RestorePlan): string[][] {
  return [
    ['STEP', 'WHAT', 'AFTER'],
    ...plan.steps.map((step) => [
      step.id,
      step.kind === 'ApplyObjects' ? `${step.objects.length} objects` : step.title,
      step.dependsOn.join(', ') || '-',
    ]),
    ...plan.skipped.map((skip) => ['skipped', skip.what, skip.reason]),
  ];
}

function resultRows(result: RestoreResult): string[][] {
  const count = (state: string): string =>
    `${result.objects.filter((report) => report.result === state).length} objects`;
  const kept = result.objects.filter((report) => report.result === 'kept').map((report) => report.object);
  return [
    ['WHAT', 'RESULT', 'DETAIL'],
    ...result.volumes.map(({ asset, result: moved }) => [
      asset,
      'restored',
      moved === undefined
        ? 'by an earlier run'
        : `${moved.items} items, ${formatBytes(moved.bytes)}, ${moved.verifiedItems} compared equal`,
    ]),
    ['objects', 'created', count('created')],
    ['objects', 'kept', `${count('kept')}${kept.length === 0 ? '' : `: ${kept.join(', ')}`}`],
    ...result.skipped.map((skip) => [skip.what, 'skipped', skip.reason]),
    ...result.failures.map((failure) => [failure.step, 'FAILED', failure.error.message]),
  ];
}

function resultSentences(result: RestoreResult): string {
  const took = formatDuration(result.elapsedMs);
  if (result.failures.length === 0)
    return `\nRestored ${result.namespace}: everything is back and ready. Took ${took}.\nNext: kubectl -n ${result.namespace} get pods,pvc`;
  const [first] = result.failures;
  return `\nRestored ${result.namespace} only in part: ${result.failures.length} failed. Took ${took}.\n${formatError(first?.error)}\nThen run the same command again: it goes on where it stopped.`;
}
