import { checkRepository } from '#repository/check';
import type { CheckReport } from '#repository/check';
import type { ReadSubset } from '#repository/read-subset';
import { formatBytes } from '#shared/bytes';
import { exitCodes } from '#shared/errors';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { plain } from '../output/plain.ts';
import { print } from '../output/print.ts';

export interface VerifyFlags extends StoreFlags, ClusterFlags {
  readonly readData: boolean;
  readonly readDataSubset?: ReadSubset;
  readonly output: OutputFormat;
}

/** `salvor verify`, `salvor repo check`: is everything there that the recovery points need, and undamaged? */
export async function verify(this: CliContext, flags: VerifyFlags): Promise<void> {
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const { repository, store, secrets } = opened;
  // Writers may go on meanwhile; a prune may not.
  await using lock = await repository.lock('check', this.signal);
  const signal = AbortSignal.any([this.signal, lock.lost]);
  const report = await checkRepository(store, {
    password: secrets.repositoryPassword,
    readData: flags.readDataSubset ?? flags.readData,
    signal,
  });
  const names = report.problems.map((problem) => problem.object);
  await print(this, { value: report, names, rows: rowsOf(report), after: verdict(report, flags) }, flags.output);
  if (report.problemCount > 0) this.setExitCode(exitCodes.store);
}

function rowsOf(report: CheckReport): string[][] {
  if (report.problemCount > 0)
    return [['OBJECT', 'PROBLEM'], ...report.problems.map(({ object, message }) => [object, message])];
  return [
    ['SNAPSHOTS', 'TREES', 'PACKS', 'BLOBS', 'READ'],
    [
      String(report.snapshots),
      String(report.trees),
      String(report.packs),
      String(report.blobs),
      formatBytes(report.bytesRead),
    ],
  ];
}

function verdict(report: CheckReport, { readData, readDataSubset }: VerifyFlags): string {
  if (report.problemCount > 0)
    return `\n${report.problemCount} problems: what is named above is missing or damaged.\n${hitsText(report)}Next: run a backup, which stores again what it still finds; then look again.`;
  if (readDataSubset !== undefined)
    return `\nSound, as far as ${formatBytes(report.bytesRead)} of data, names, sizes and trees tell.`;
  return readData
    ? '\nSound: every byte was read and is what it should be.'
    : '\nSound, as far as names, sizes and trees tell. To read every byte: salvor verify --read-data';
}

function hitsText({ hits }: CheckReport): string {
  if (hits.length === 0) return 'No snapshot that can be read is known to have lost anything.\n';
  const texts = hits.map(({ snapshot, time, paths, hasMore }) => {
    const lines = paths.map((path) => `  ${plain(path)}\n`).join('');
    return `Snapshot ${snapshot.slice(0, 8)} of ${plain(time)} has lost:\n${lines}${hasMore ? '  and more\n' : ''}`;
  });
  return texts.join('');
}
