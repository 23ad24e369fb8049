import type { Ledger, LedgerAsset } from '#api/ledger';
import { previewBackup, runBackup } from '#backup/run-backup';
import type { BackupResult } from '#backup/run-backup';
import { requireNamespace } from '#discovery/inventory';
import type { BackupPlan } from '#planner/backup-plan';
import { formatBytes } from '#shared/bytes';
import { exitCodes } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { defaultMoverImage } from '../mover-image.ts';
import { openCluster, openRepositoryFor, refuseLocalStore, storePlaces } from '../open.ts';
import { print } from '../output/print.ts';
import { progressFor } from '../output/progress.ts';

export interface BackupFlags extends StoreFlags, ClusterFlags {
  readonly moverImage?: string;
  readonly dryRun: boolean;
  readonly output: OutputFormat;
}

/** `salvor backup APPLICATION` */
export async function backup(this: CliContext, flags: BackupFlags, application: string): Promise<void> {
  const client = await openCluster(this, flags);
  const { clock, signal } = this;
  if (flags.dryRun) {
    const plan = await previewBackup({ application, client, clock, signal });
    await print(
      this,
      { value: plan, names: plan.assets.map((asset) => asset.name), rows: planRows(plan), after: planSentence(plan) },
      flags.output,
    );
    return;
  }
  refuseLocalStore(storePlaces(this, flags));
  // Before a repository is made for an application that does not exist.
  await requireNamespace(client, application, signal);
  const progress = progressFor(this, flags.output);
  await using opened = await openRepositoryFor(this, flags, async () => client, 'create');
  if (opened.created)
    progress.note(
      `Made a new repository in ${opened.repository.location}. Keep its key in a safe place outside this cluster: nothing can be read without it.`,
    );
  let result: BackupResult;
  try {
    result = await runBackup({
      application,
      client,
      clock,
      signal,
      repository: opened.repository,
      storeLocation: opened.storeForPods,
      secrets: opened.secrets,
      moverImage: flags.moverImage ?? this.settings.moverImage ?? defaultMoverImage(this.version),
      hostname: this.hostname,
      version: this.version,
      onPlan: (plan) => progress.note(planSentence(plan)),
      onEvent: progress.event,
      onNote: progress.note,
    });
  } finally {
    progress.end();
  }
  await print(
    this,
    { value: result, names: [result.ledger.point], rows: ledgerRows(result.ledger), after: resultSentences(result) },
    flags.output,
  );
  if (result.ledger.result === 'Partial') this.setExitCode(exitCodes.partial);
}

function planSentence(plan: BackupPlan): string {
  const volumes = plan.assets.filter((asset) => asset.kind === 'volume').length;
  const objects = plan.assets.find((asset) => asset.kind === 'objects');
  const unprotected = plan.skipped.filter((skip) => skip.reason.startsWith('NOT PROTECTED')).length;
  const skipped =
    plan.skipped.length === 0
      ? 'Nothing is skipped.'
      : `${plan.skipped.length} skipped with reasons${unprotected === 0 ? '' : `, ${unprotected} of them NOT PROTECTED`}.`;
  return `Plan: ${volumes} volumes, ${objects?.kind === 'objects' ? objects.count : 0} objects; ${plan.cut} (${plan.consistency}). ${skipped}`;
}

function planRows(plan: BackupPlan): string[][] {
  return [
    ['ASSET', 'METHOD', 'CAPACITY', 'WHY'],
    ...plan.assets.map((asset) =>
      asset.kind === 'objects'
        ? [asset.name, asset.method, `${asset.count} objects`, 'Kubernetes objects']
        : [asset.name, asset.method, formatBytes(asset.claim.capacityBytes), `snapshot by ${asset.claim.csi.driver}`],
    ),
    ...plan.skipped.map((skip) => [skip.what, 'skipped', '', skip.reason]),
  ];
}

/** The ledger as a table: one line per asset, planned against captured. */
export function ledgerRows(ledger: Ledger): string[][] {
  return [
    ['ASSET', 'METHOD', 'PLANNED', 'CAPTURED', 'SIZE', 'STORED', 'HASH', 'RESULT'],
    ...ledger.assets.map(assetRow),
  ];
}

function assetRow(asset: LedgerAsset): string[] {
  return [
    asset.name,
    asset.method,
    asset.planned === undefined ? '?' : String(asset.planned.items),
    `${asset.captured.items} items`,
    formatBytes(asset.captured.bytes),
    formatBytes(asset.storedBytes),
    asset.hash?.slice(0, 8) ?? '-',
    asset.result,
  ];
}

function resultSentences({ ledger, elapsedMs }: BackupResult): string {
  const captured = ledger.assets.filter((asset) => asset.result === 'Captured').length;
  const stored = ledger.assets.reduce((sum, asset) => sum + asset.storedBytes, 0);
  const head = `Recovery point ${ledger.point}  ${ledger.result}: ${captured} of ${ledger.assets.length} assets, ${ledger.consistency.toLowerCase()}. Stored ${formatBytes(stored)}. Took ${formatDuration(elapsedMs)}.`;
  const next =
    ledger.result === 'Complete'
      ? `Next: salvor restore ${ledger.point} --dry-run`
      : `Why:  salvor describe recoverypoint ${ledger.point}`;
  return `\n${head}\n${next}`;
}
