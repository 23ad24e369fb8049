import { judge, type Goal } from '../benchmark.ts';
import { median } from '../measure/statistics.ts';
import { ourNames } from './fairness.ts';
import type { Result } from './run-scenario.ts';

const MB = 1e6;
/** Of the whole process, in every row: what a mover's pod may take. */
const peakMegabytesMax = 300;
/** Being smaller by being slower would be no feat, and being faster by storing more neither. */
const sizeTimesMax = 1.03;

/** "Ours is so many times faster than that peer", for a row. */
interface SpeedGoal {
  readonly row: string;
  /** One of our contestants. */
  readonly ours?: string;
  /** A peer, or the fastest of those that were measured; `compresses` leaves out those that store plain bytes. */
  readonly than: 'restic' | 'kopia-b' | 'fastest' | 'fastest that compresses';
  readonly times: number;
  /** The repository may not be larger than that of the peer either. */
  readonly size?: boolean;
}

const local: readonly SpeedGoal[] = [
  { row: 'image-first', than: 'fastest that compresses', times: 1.5, size: true },
  { row: 'image-first', than: 'restic', times: 3 },
  { row: 'image-changed', than: 'restic', times: 2.5 },
  { row: 'image-changed', than: 'kopia-b', times: 1 },
  { row: 'image-changed', ours: 'salvor-blocks', than: 'restic', times: 5 },
  { row: 'image-restore', than: 'fastest', times: 1.3 },
  { row: 'small-first', than: 'fastest that compresses', times: 1.5, size: true },
  { row: 'small-changed', than: 'fastest', times: 1 },
  { row: 'small-restore', than: 'fastest', times: 1 },
  { row: 'big-first', than: 'fastest that compresses', times: 1.3, size: true },
  { row: 'big-restore', than: 'fastest', times: 1 },
];

/** Over S3 the same ratios. */
const speedGoals: readonly SpeedGoal[] = [...local, ...local.map((goal) => ({ ...goal, row: `s3-${goal.row}` }))];

/** Whom the goals of a row name. */
export function namedPeers(row: string): string[] {
  return speedGoals.filter((goal) => goal.row === row && !goal.than.startsWith('fastest')).map(({ than }) => than);
}

/** Judges the rows that were asked for; one that could not be measured is a goal that was missed. */
export function judgeResults(
  results: readonly Result[],
  rows: readonly string[],
  compresses: (contestant: string) => boolean,
): Goal[] {
  const wanted = speedGoals.filter(({ row }) => rows.includes(row));
  const goals = wanted.flatMap((goal) => {
    const inRow = results.filter(({ row }) => row === goal.row);
    const peer = rivalOf(goal, inRow, compresses);
    const own = inRow.find(({ contestant }) => contestant === (goal.ours ?? 'salvor'));
    return [speedGoal(goal, own, peer), ...(goal.size === true ? [sizeGoal(goal, own, peer)] : [])];
  });
  return goals;
}

function rivalOf(
  { than }: SpeedGoal,
  inRow: readonly Result[],
  compresses: (contestant: string) => boolean,
): Result | undefined {
  const peers = inRow.filter(({ contestant }) => !ourNames.includes(contestant));
  if (!than.startsWith('fastest')) return peers.find(({ contestant }) => contestant === than);
  const rivals = than === 'fastest' ? peers : peers.filter(({ contestant }) => compresses(contestant));
  return rivals.toSorted((left, right) => medianSeconds(left) - medianSeconds(right)).at(0);
}

function speedGoal({ row, ours = 'salvor', than, times }: SpeedGoal, own?: Result, peer?: Result): Goal {
  const named = peer === undefined || peer.contestant === than ? than : `${than} peer (${peer.contestant})`;
  const name = `${row}: ${ours} against ${named}`;
  const common = { name, unit: 'times', must: 'reach', goal: times } as const;
  if (own === undefined) return judge({ ...common, value: null, note: `${ours} was not measured` });
  if (peer === undefined) return judge({ ...common, value: null, note: 'no such peer was measured' });
  return judge({ ...common, value: medianSeconds(peer) / medianSeconds(own) });
}

function sizeGoal({ row }: SpeedGoal, own?: Result, peer?: Result): Goal {
  const name = `${row}: size of the repository, against that of ${peer?.contestant ?? 'the fastest peer'}`;
  const common = { name, unit: 'times', must: 'stay under', goal: sizeTimesMax } as const;
  if (own === undefined || peer === undefined)
    return judge({ ...common, value: null, note: 'one of them was not measured' });
  return judge({ ...common, value: own.repositoryBytes / peer.repositoryBytes });
}

/** What the program took at most in a row of ours. */
export interface Peak {
  readonly row: string;
  readonly peakMegabytes: number;
}

export function ownPeaks(results: readonly Result[]): Peak[] {
  const own = results.filter(({ contestant }) => ourNames.includes(contestant));
  return own.map((result) => ({ row: result.row, peakMegabytes: peakMegabytes(result) }));
}

/** Over all rows that were measured: it holds only if it holds in every one. */
export function memoryGoal(peaks: readonly Peak[]): Goal {
  const largest = peaks.toSorted((left, right) => right.peakMegabytes - left.peakMegabytes).at(0);
  const common = { unit: 'MB', must: 'stay under', goal: peakMegabytesMax } as const;
  if (largest === undefined)
    return judge({ ...common, name: 'peak memory in every row', value: null, note: 'nothing of ours was measured' });
  return judge({ ...common, name: `peak memory in every row (most: ${largest.row})`, value: largest.peakMegabytes });
}

/** Seconds of the run in the middle, until what it wrote was durable. */
export function medianSeconds({ runs }: Pick<Result, 'runs'>): number {
  return median(runs.map(({ durableSeconds }) => durableSeconds));
}

/** The most that any of the runs took. */
export function peakMegabytes({ runs }: Pick<Result, 'runs'>): number {
  return Math.max(...runs.map(({ peakBytes }) => peakBytes)) / MB;
}
