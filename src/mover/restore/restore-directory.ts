import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { applyToFile } from './apply-metadata.ts';
import { errnoOf } from '../posix/libc.ts';
import type { Entry, RestoreRun } from './restore-entries.ts';

/** A directory of the target. It stays open until all that is made in it is finished. */
export interface TargetDirectory {
  readonly fd: number;
  /** Relative to the root. */
  readonly path: Buffer;
  readonly depth: number;
  /** The path to give to a system call for one entry: relative to the descriptor, whatever happens to the directory. */
  child(name: Buffer): Buffer;
  /** One more entry that is not finished. */
  hold(): void;
  /** One less; after the last one the directory gets its metadata and is closed. */
  release(): void;
}

export interface TargetDirectorySetting {
  readonly fd: number;
  readonly path: Buffer;
  readonly depth: number;
  readonly onLast: () => void;
}

/** Held once, by the caller. */
export function targetDirectory({ fd, path, depth, onLast }: TargetDirectorySetting): TargetDirectory {
  const prefix = Buffer.from(`/proc/self/fd/${fd}/`);
  let holders = 1;
  return {
    fd,
    path,
    depth,
    child: (name) => Buffer.concat([prefix, name]),
    hold: () => {
      holders++;
    },
    release: () => {
      holders--;
      if (holders === 0) onLast();
    },
  };
}

/** Directories and large files that are open at a time: with 1,024 descriptors, the usual limit, some are left. */
const openMax = 512;

/** What is open is waited for, but not the directories on the way to here: these stay open until we leave them. */
export async function keepOpenBounded(open: ReadonlySet<number>, makeRoom: () => Promise<void>): Promise<void> {
  for (let before = Number.POSITIVE_INFINITY; open.size >= openMax && open.size < before;) {
    before = open.size;
    await makeRoom();
  }
}

/** Descriptors that a run has open; what it leaves open when it fails is closed. */
export function openDescriptors(): Disposable & { readonly open: Set<number> } {
  const open = new Set<number>();
  return {
    open,
    [Symbol.dispose]: () => {
      for (const fd of open) closeSync(fd);
    },
  };
}

/** Makes a directory and opens it. A symlink that somebody puts in its place is an error (ENOTDIR or ELOOP). */
export function openTargetDirectory(run: RestoreRun, entry: Entry): TargetDirectory {
  const { directory: parent, node, path, place } = entry;
  makeDirectory(run, entry);
  const fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  run.open.add(fd);
  parent.hold();
  const finish = (): void => {
    // Last, because every entry made inside changes its times, and its mode may forbid making any.
    run.report.problems(path, applyToFile(node, fd));
    run.open.delete(fd);
    closeSync(fd);
    run.report.done(node);
    parent.release();
  };
  return targetDirectory({ fd, path, depth: parent.depth + 1, onLast: finish });
}

function makeDirectory(run: RestoreRun, { directory, node, place }: Entry): void {
  try {
    mkdirSync(place, 0o700);
  } catch (error) {
    // The target was found empty but for its own lost+found.
    const isLostAndFound = directory.depth === 0 && node.name.toString('latin1') === 'lost+found';
    if (errnoOf(error) !== 'EEXIST' || !(isLostAndFound || run.existing === 'resume')) throw error;
  }
}
