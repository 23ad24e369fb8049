import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { moverEnvironment } from '#lab/setup/images';
import { createRepository } from '#repository/repository';
import { INDEX_BLOBS_MAX } from '#repository/limits';
import { openDiskStore } from '#stores/disk/disk-store';
import { judge } from '../benchmark.ts';
import type { Benchmark, BenchmarkContext, Goal, Table } from '../benchmark.ts';
import { measure } from '../measure/command.ts';
import type { Command, Usage } from '../measure/command.ts';
import { settle } from '../measure/page-cache.ts';
import { median } from '../measure/statistics.ts';
import { baseEnvironment, repositoryPassword } from '../mover/contestants/contestant.ts';
import { resticCommand } from '../mover/contestants/restic.ts';
import { findPeers } from '../mover/peers.ts';
import { parseIndexOptions } from './options.ts';
import { simulateIndexFiles } from './simulate.ts';

const filesPerMillion = 1_000_000 / INDEX_BLOBS_MAX;
/** Bytes that a mover may take, whatever the repository. */
const peakMegabytesMax = 300;
const MB = 1e6;

interface Result {
  readonly millions: number;
  readonly salvor: Measured;
  /** Undefined if there is no restic. */
  readonly restic: Measured | undefined;
  /** Microseconds a lookup takes. */
  readonly lookups: { readonly found: number; readonly notFound: number };
}

interface Measured {
  readonly seconds: readonly number[];
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

/** Reading one blob of a repository with very many: what the index costs in time and memory. See bench/README.md. */
export const run: Benchmark = async (context) => {
  const options = parseIndexOptions(context.args);
  await mkdir(context.cache, { recursive: true });
  const work = await mkdtemp(join(context.cache, 'work-'));
  try {
    const given = new Map(options.restic === undefined ? [] : [['restic', options.restic]]);
    const restic = (await findPeers(context, given)).peers.get('restic');
    const place = await makeRepository(work, context.signal);
    const results: Result[] = [];
    let files = 0;
    for (const millions of options.sizes) {
      await grow(place.path, { from: files, to: millions * filesPerMillion, millions }, context);
      files = millions * filesPerMillion;
      const contest = { ...place, restic: restic?.path, millions, runs: options.runs };
      results.push(await compare(contest, context));
    }
    const notes = restic === undefined ? [`There is no restic to compare with`] : [`restic ${restic.version}`];
    return { tables: [tableOf(results)], goals: results.flatMap(goalsOf), notes, results };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

interface Place {
  readonly work: string;
  readonly path: string;
  /** Of the one blob that really is there. */
  readonly blob: string;
}

async function makeRepository(work: string, signal: AbortSignal): Promise<Place> {
  const path = join(work, 'repository');
  const store = await openDiskStore(path);
  await using repository = await createRepository(store, { password: repositoryPassword, signal });
  const { id } = await repository.saveBlob('data', Buffer.from('the one blob that is there'), signal);
  await repository.flush(signal);
  return { work, path, blob: id };
}

async function grow(
  path: string,
  { from, to, millions }: { readonly from: number; readonly to: number; readonly millions: number },
  { progress, signal }: BenchmarkContext,
): Promise<void> {
  progress(`writing the index files of ${millions} million blobs`);
  const store = await openDiskStore(path);
  const tell = (done: number): void => {
    if (done % 100 === 0) progress(`  ${done} of ${to - from}`);
  };
  await simulateIndexFiles(store, { from, to, progress: tell, signal });
}

interface Contest extends Place {
  readonly restic: string | undefined;
  readonly millions: number;
  readonly runs: number;
}

async function compare(contest: Contest, context: BenchmarkContext): Promise<Result> {
  const { restic, millions } = contest;
  const usages: Record<'salvor' | 'restic', Usage[]> = { salvor: [], restic: [] };
  for (let round = 0; round < contest.runs; round++) {
    for (const name of round % 2 === 0 ? (['salvor', 'restic'] as const) : (['restic', 'salvor'] as const)) {
      if (name === 'restic' && restic === undefined) continue;
      await settle([join(contest.path, 'index')], context.signal);
      const usage = await measure(commandOf(name, contest), context.signal);
      usages[name].push(usage);
      context.progress(`  ${millions} million, ${name}: ${usage.wallSeconds.toFixed(2)} s, ${megabytes(usage)} MB`);
    }
  }
  const asked = await measure(salvorCommand(contest, 'lookups'), context.signal);
  return {
    millions,
    salvor: summary(usages.salvor),
    restic: restic === undefined ? undefined : summary(usages.restic),
    lookups: JSON.parse(asked.stdout) as Result['lookups'],
  };
}

function commandOf(name: 'salvor' | 'restic', contest: Contest): Command {
  if (name === 'salvor') return salvorCommand(contest);
  const place = { kind: 'disk', path: contest.path } as const;
  // Without a cache, as in a pod that has just started.
  return resticCommand(contest.restic ?? '', { place, folder: contest.work }, [
    '--no-cache',
    '--no-lock',
    'cat',
    'blob',
    contest.blob,
  ]);
}

function salvorCommand({ work, path, blob }: Place, ...more: readonly string[]): Command {
  const program = join(import.meta.dirname, 'open-program.ts');
  return {
    argv: [process.execPath, '--disable-warning=ExperimentalWarning', program, path, blob, ...more],
    environment: { ...baseEnvironment(work), ...moverEnvironment, TMPDIR: work },
  };
}

function summary(usages: readonly Usage[]): Measured {
  return {
    seconds: usages.map(({ wallSeconds }) => wallSeconds),
    cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakMegabytes: Math.max(...usages.map(megabytes)),
  };
}

function megabytes({ peakBytes }: Usage): number {
  return Math.round(peakBytes / MB);
}

function tableOf(results: readonly Result[]): Table {
  const cells = (measured: Measured | undefined): string[] =>
    measured === undefined
      ? ['-', '-', '-']
      : [median(measured.seconds).toFixed(2), measured.cpuSeconds.toFixed(2), String(measured.peakMegabytes)];
  return {
    title: 'index (opening a repository, reading its whole index without a cache, then one blob)',
    rows: [
      ['MILLION BLOBS', 'S', 'CPU S', 'PEAK MB', 'RESTIC S', 'CPU S', 'PEAK MB', 'FOUND IN US', 'NOT FOUND IN US'],
      ...results.map(({ millions, salvor, restic, lookups }) => [
        String(millions),
        ...cells(salvor),
        ...cells(restic),
        lookups.found.toFixed(2),
        lookups.notFound.toFixed(2),
      ]),
    ],
  };
}

function goalsOf({ millions, salvor, restic }: Result): Goal[] {
  const ratio = restic === undefined ? null : median(restic.seconds) / median(salvor.seconds);
  return [
    judge({
      name: `peak memory with ${millions} million blobs`,
      unit: 'MB',
      must: 'stay under',
      goal: peakMegabytesMax,
      value: salvor.peakMegabytes,
    }),
    judge({
      name: `restic’s time with ${millions} million blobs`,
      unit: 'times',
      must: 'reach',
      goal: 1,
      value: ratio,
    }),
  ];
}
