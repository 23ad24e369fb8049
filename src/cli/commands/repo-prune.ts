import { pruneRepository } from '#repository/care/prune';
import type { PruneReport } from '#repository/care/prune';
import type { SizeLimit } from '#repository/care/size-limit';
import { formatBytes } from '#shared/bytes';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openAccessFor } from '../open.ts';
import { print } from '../output/print.ts';
import { withPhases } from '../output/phases.ts';
import { progressFor } from '../output/progress.ts';

export interface RepoPruneFlags extends StoreFlags, ClusterFlags {
  readonly dryRun: boolean;
  readonly maxUnused: SizeLimit;
  readonly maxRepackSize?: number;
  readonly exclusive: boolean;
  readonly output: OutputFormat;
}

/** `salvor repo prune` */
export async function repoPrune(this: CliContext, flags: RepoPruneFlags): Promise<void> {
  await using opened = await openAccessFor(this, flags);
  const progress = progressFor(this, flags.output);
  const report = await withPhases(this, progress, async (show) =>
    pruneRepository(opened.access, {
      maxUnused: flags.maxUnused,
      maxRepackBytes: flags.maxRepackSize,
      exclusive: flags.exclusive,
      dryRun: flags.dryRun,
      onProgress: ({ phase, done, total }) => show({ phase, amount: `${done} of ${total}` }),
      signal: this.signal,
    }),
  );
  await print(
    this,
    {
      value: { dryRun: flags.dryRun, ...report },
      names: [],
      rows: rowsOf(report, flags.dryRun),
      after: `\n${sentencesOf(report, flags.dryRun)}`,
    },
    flags.output,
  );
}

function rowsOf(report: PruneReport, dryRun: boolean): string[][] {
  const rows: readonly (readonly [what: string, packs: number, bytes: number])[] = dryRun
    ? [
        ['to rewrite', report.repackedPacks, report.repackBytes],
        ['marked before, and waiting', report.markedPacks, report.markedBytes],
      ]
    : [
        ['rewritten', report.repackedPacks, report.repackBytes],
        ['deleted', report.deletedPacks, report.deletedBytes],
        ['marked', report.markedPacks, report.markedBytes],
      ];
  return [
    ['WHAT', 'PACKS', 'SIZE'],
    ['all', String(report.packs), formatBytes(report.usedBytes + report.unusedBytesAfter + report.freedBytes)],
    ['needed', '', formatBytes(report.usedBytes)],
    ['unneeded, and stays', '', formatBytes(report.unusedBytesAfter)],
    ...rows.map(([what, packs, bytes]) => [what, String(packs), formatBytes(bytes)]),
  ];
}

function sentencesOf(report: PruneReport, dryRun: boolean): string {
  if (dryRun) return `Would free ${formatBytes(report.freedBytes)} and rewrite ${formatBytes(report.repackBytes)}.`;
  if (report.markedPacks > 0) {
    const who = report.waitingFor.map((holder) => `  ${holder}\n`).join('');
    return `Marked packs are deleted by the first prune after these have ended:\n${who}Next: salvor repo prune, then`;
  }
  return report.deletedPacks === 0 ? 'There was nothing to delete.' : 'Nothing waits to be deleted.';
}
