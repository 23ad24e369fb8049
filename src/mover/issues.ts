import { printable } from './names.ts';
import { errnoMessage } from './posix/libc.ts';

/** Something that could not be captured or restored. */
export interface Issue {
  /** Relative to the root of the tree, printable. */
  readonly path: string;
  /** The errno's name (`EACCES`), or a word of ours (`ChangedWhileRead`). */
  readonly code: string;
  readonly message: string;
}

/** An issue from a failed system call. The paths in Node's messages are descriptors of ours, so they are cut off. */
export function issueOf(path: Buffer, code: string, error: unknown): Issue {
  return { path: printable(path), code, message: errnoMessage(error).replace(/ '\/proc\/self\/fd\/.*$/s, '') };
}

/** Something left out on purpose. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** A list that keeps the first entries and counts all: a tree of a million unreadable files must not fill the memory. */
export interface BoundedList<T> {
  readonly kept: readonly T[];
  readonly count: number;
  add(entry: T): void;
}

export function boundedList<T>(max: number): BoundedList<T> {
  const kept: T[] = [];
  let count = 0;
  return {
    kept,
    get count() {
      return count;
    },
    add: (entry) => {
      count++;
      if (kept.length < max) kept.push(entry);
    },
  };
}

/** How many issues, skipped paths or differences one run keeps in full: enough to see the pattern. */
export const reportedMax = 1000;
