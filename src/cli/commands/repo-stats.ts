import { repositoryStats } from '#repository/care/stats';
import type { RepositoryStats } from '#repository/care/stats';
import { formatBytes } from '#shared/bytes';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openAccessFor } from '../open.ts';
import { print } from '../output/print.ts';
import { progressFor } from '../output/progress.ts';
import { withPhases } from '../output/phases.ts';

export interface RepoStatsFlags extends StoreFlags, ClusterFlags {
  readonly output: OutputFormat;
}

/** `salvor repo stats`: what is stored, what it would take plainly, and what each snapshot added. */
export async function repoStats(this: CliContext, flags: RepoStatsFlags): Promise<void> {
  await using opened = await openAccessFor(this, flags);
  const progress = progressFor(this, flags.output);
  const stats = await withPhases(this, progress, async (show) =>
    repositoryStats(opened.access, this.signal, (done, total) =>
      show({ phase: 'reading snapshots', amount: `${done} of ${total}` }),
    ),
  );
  await print(
    this,
    {
      value: { ...stats, deduplication: ratio(stats.bytes, stats.uniqueBytes), compression: compressionOf(stats) },
      names: stats.snapshots.map(({ id }) => id),
      rows: [
        ['SNAPSHOT', 'TIME', 'FILES', 'SIZE', 'ADDED'],
        ...stats.snapshots.map(({ id, time, files, bytes, addedBytes }) => [
          id.slice(0, 8),
          time.slice(0, 19),
          files.toLocaleString('en'),
          formatBytes(bytes),
          formatBytes(addedBytes),
        ]),
      ],
      after: summary(stats),
    },
    flags.output,
  );
}

function summary(stats: RepositoryStats): string {
  const { snapshots, files, bytes, packs, blobs, uniqueBytes, storedBytes } = stats;
  return [
    '',
    `${snapshots.length} snapshots with ${files.toLocaleString('en')} files, ${formatBytes(bytes)} if all were restored.`,
    `${formatBytes(uniqueBytes)} of them are different (deduplication ${ratio(bytes, uniqueBytes)}), stored as ${formatBytes(storedBytes)} (compression ${compressionOf(stats)}) in ${blobs.toLocaleString('en')} blobs in ${packs.toLocaleString('en')} packs.`,
  ].join('\n');
}

function compressionOf({ uniqueBytes, storedBytes }: RepositoryStats): number {
  return ratio(uniqueBytes, storedBytes);
}

function ratio(before: number, after: number): number {
  return after === 0 ? 1 : Math.round((before / after) * 100) / 100;
}
