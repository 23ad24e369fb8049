import { readdirSync } from 'node:fs';
import type { TreeNode } from '#repository/types';
import { createBlocksWork, type BlocksJob, type CapturedBlocks } from './capture-blocks.ts';
import { captureEntries, type CapturedEntries, type EntriesJob } from './capture-entries.ts';
import type { CaptureTarget } from './capture-target.ts';
import { typeOf } from '../metadata.ts';
import { errnoOf } from '../posix/libc.ts';
import { statEntry } from '../posix/stat.ts';

/** What a thread of a backup is asked to do, and what it answers. Descriptors are those of the process. */
export type CaptureJob = CountJob | EntriesJob | BlocksJob;

export type CaptureAnswer<Job extends CaptureJob> = Job extends CountJob
  ? CountedEntries
  : Job extends BlocksJob
    ? CapturedBlocks
    : CapturedEntries;

/** Counts the entries of an open directory. */
export interface CountJob {
  readonly kind: 'count';
  readonly directory: number;
  /** Names that are left out, as latin1. */
  readonly skip: readonly string[];
}

export interface CountedEntries {
  readonly items: number;
  readonly bytes: number;
  readonly itemsByType: Partial<Record<TreeNode['type'], number>>;
  /** Names, as latin1. */
  readonly directories: readonly string[];
}

/** Does jobs, in other threads or in this one. */
export interface Crew {
  run<Job extends CaptureJob>(job: Job): Promise<CaptureAnswer<Job>>;
  /** Tells from now on how many bytes were read since the last call. */
  onBytes(listener: (bytes: number) => void): void;
}

/** Does jobs for one target, one after the other. */
export function createCaptureWork(target: CaptureTarget): Crew['run'] {
  const captureBlocks = createBlocksWork(target);
  const work = async (job: CaptureJob): Promise<CaptureAnswer<CaptureJob>> => {
    target.signal.throwIfAborted();
    switch (job.kind) {
      case 'count':
        return countEntries(job);
      case 'entries':
        return captureEntries(job, target);
      case 'blocks':
        return captureBlocks(job);
      default:
        return job satisfies never;
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return async (job) => {
    const done = last.then(async () => work(job));
    last = done.catch(() => undefined);
    return (await done) as CaptureAnswer<typeof job>;
  };
}

/** The left side of the ledger: what is there, also what cannot be looked at. */
function countEntries({ directory, skip }: CountJob): CountedEntries {
  const left = new Set(skip);
  const directories: string[] = [];
  const itemsByType: Partial<Record<TreeNode['type'], number>> = {};
  let items = 0;
  let bytes = 0;
  for (const name of readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' })) {
    if (left.has(name)) continue;
    try {
      const stats = statEntry(directory, name);
      const type = typeOf(stats);
      itemsByType[type] = (itemsByType[type] ?? 0) + 1;
      if (type === 'file') bytes += Number(stats.size);
      if (type === 'dir') directories.push(name);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      // Its name says that there is something, and reading it will give the issue.
      if (errno === 'ENOENT') continue;
    }
    items++;
  }
  return { items, bytes, itemsByType, directories };
}
