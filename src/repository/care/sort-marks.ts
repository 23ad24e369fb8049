import type { PackEntry } from '../pack.ts';
import type { Holder } from './holders.ts';
import type { MarkFile, Survey } from './survey.ts';

/** What earlier prunes marked, and what is to become of it. */
export interface Sorted {
  /** Everybody of ours has ended who was at work when they were marked. */
  readonly ripe: readonly PackEntry[];
  /** Their marking was not finished, or is another program's. */
  readonly unfinished: readonly PackEntry[];
  /** Somebody is still at work who may have relied on them. Their files stay as they are. */
  readonly waiting: readonly PackEntry[];
  /** A snapshot needs them after all. */
  readonly rescued: readonly PackEntry[];
  /** Files with marks that are replaced. The others wait on. */
  readonly replacedFiles: ReadonlySet<string>;
}

/** Sorts the marks. `others`: who was at work before the snapshots were read. */
export function sortMarks(
  survey: Pick<Survey, 'marked'>,
  rescue: ReadonlySet<string>,
  others: readonly Holder[],
): Sorted {
  const ripe: PackEntry[] = [];
  const unfinished: PackEntry[] = [];
  const waiting: PackEntry[] = [];
  const rescued: PackEntry[] = [];
  const replacedFiles = new Set<string>();
  for (const file of survey.marked) {
    const state = stateOf(file, others);
    const saved = file.packs.filter((pack) => rescue.has(pack.id));
    // A file that waits is left alone, unless it holds something that must come back.
    if (state === 'waiting' && saved.length === 0) {
      waiting.push(...file.packs);
      continue;
    }
    replacedFiles.add(file.file);
    rescued.push(...saved);
    const rest = file.packs.filter((pack) => !rescue.has(pack.id));
    (state === 'ripe' ? ripe : unfinished).push(...rest);
  }
  return { ripe, unfinished, waiting, rescued, replacedFiles };
}

/** restic knows no marks: what is marked is listed on for it, and it may rely on it, whenever it came. */
function stateOf({ writers }: MarkFile, others: readonly Holder[]): 'ripe' | 'waiting' | 'unfinished' {
  if (writers === undefined) return 'unfinished';
  const isAtWork = others.some(({ holder, isSalvor }) => !isSalvor || writers.includes(holder));
  return isAtWork ? 'waiting' : 'ripe';
}

export interface Leaving {
  readonly ripe: readonly PackEntry[];
  readonly fresh: readonly PackEntry[];
  /** The fresh ones are still listed. */
  readonly keepsFresh: boolean;
}

/** What can be deleted, given who is at work after the marks were written. */
export function mayGo({ ripe, fresh, keepsFresh }: Leaving, others: readonly Holder[]): PackEntry[] {
  if (others.some(({ isSalvor }) => !isSalvor)) return [];
  const freshGoes = others.length === 0 && !keepsFresh;
  return freshGoes ? [...ripe, ...fresh] : [...ripe];
}
