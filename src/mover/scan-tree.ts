import type { BigIntStats } from 'node:fs';
import { lstat, statfs } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import type { TreeNode } from '#repository/types';
import { openChild, treeDepthMax, type OpenDirectory } from './directory.ts';
import type { Skipped } from './issues.ts';
import { typeOf } from './metadata.ts';
import { joinPath } from './names.ts';
import { errnoOf } from './posix/libc.ts';

/** Calls of stat(2) in flight: Node has four threads for them, the rest wait in its queue. */
const statsInFlight = 8;

/** What a tree holds before it is read: the left side of the ledger. The root itself is not counted. */
export interface TreeCount {
  readonly items: number;
  /** Sizes of regular files, by name: a file with two names counts twice. */
  readonly bytes: number;
  readonly itemsByType: Readonly<Partial<Record<TreeNode['type'], number>>>;
}

/** Which entries of a directory are left out. Answers the reason, or undefined to take it. */
export type Selection = (directory: OpenDirectory, path: Buffer) => Promise<string | undefined>;

/** Leaves out the paths of the caller (relative, whole entries) and an empty lost+found of ext2/3/4. */
export function selection(exclude: readonly Skipped[]): Selection {
  const reasons = new Map(exclude.map((entry) => [Buffer.from(entry.path).toString('latin1'), entry.reason]));
  return async (directory, path) => {
    const reason = reasons.get(path.toString('latin1'));
    if (reason !== undefined || path.toString('latin1') !== 'lost+found') return reason;
    return (await isEmptyLostAndFound(directory)) ? 'empty lost+found of the file system' : undefined;
  };
}

/** Magic number of ext2/3/4, and the inode of their root: statfs(2), <linux/magic.h>. */
const extMagic = 0xef53;
const extRootInode = 2n;

async function isEmptyLostAndFound(root: OpenDirectory): Promise<boolean> {
  const { type } = await statfs(root.child(Buffer.from('.')));
  const { ino } = await root.handle.stat({ bigint: true });
  if (type !== extMagic || ino !== extRootInode) return false;
  try {
    await using found = await openChild(root, Buffer.from('lost+found'));
    return (await found.names()).length === 0;
  } catch {
    return false; // It is taken like any other entry, and reading it says what is wrong.
  }
}

/** Counts what is there, also what cannot be looked at. */
export async function scanTree(
  root: OpenDirectory,
  select: Selection,
  options: { readonly signal: AbortSignal; readonly onProgress?: (count: TreeCount) => void },
): Promise<TreeCount> {
  const itemsByType: Partial<Record<TreeNode['type'], number>> = {};
  const count = { items: 0, bytes: 0, itemsByType };

  const visit = async (directory: OpenDirectory, path: Buffer, depth: number): Promise<void> => {
    const subdirectories: Buffer[] = [];
    await mapLimit(
      await directory.names(),
      statsInFlight,
      async (name) => {
        if ((await select(directory, joinPath(path, name))) !== undefined) return;
        const stats = await statOrErrno(directory.child(name));
        if (typeof stats === 'string') {
          // Its name says that there is something, and reading it will give the issue.
          if (stats !== 'ENOENT') count.items++;
          return;
        }
        const type = typeOf(stats);
        count.items++;
        itemsByType[type] = (itemsByType[type] ?? 0) + 1;
        if (type === 'file') count.bytes += Number(stats.size);
        if (type === 'dir') subdirectories.push(name);
      },
      options.signal,
    );
    options.onProgress?.(count);
    if (depth === treeDepthMax) return;
    for (const name of subdirectories) {
      const opened = await unlessGone(openChild(directory, name));
      if (opened === undefined) continue;
      await using child = opened;
      await unlessGone(visit(child, joinPath(path, name), depth + 1));
    }
  };

  await visit(root, Buffer.alloc(0), 0);
  return count;
}

async function statOrErrno(path: Buffer): Promise<BigIntStats | string> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno;
  }
}

/** File system errors give undefined, all others are thrown. */
async function unlessGone<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
