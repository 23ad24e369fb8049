import { statfs } from 'node:fs/promises';
import type { TreeNode } from '#repository/types';
import type { Crew } from './capture-job.ts';
import { openChild, treeDepthMax, type OpenDirectory } from '../directory.ts';
import { createForks } from './forks.ts';
import type { Skipped } from '../issues.ts';
import { errnoOf } from '../posix/libc.ts';

/** Directories that are open and looked at at the same time, beside those above them: enough to keep every thread busy. */
export const directoriesInFlight = 16;

/** What a tree holds before it is read: the left side of the ledger. The root itself is not counted. */
export interface TreeCount {
  readonly items: number;
  /** Sizes of regular files, by name: a file with two names counts twice. */
  readonly bytes: number;
  readonly itemsByType: Readonly<Partial<Record<TreeNode['type'], number>>>;
}

/** Which entries of a directory, given by its path as latin1, are left out: names as latin1, with the reasons. */
export type Selection = (path: string) => ReadonlyMap<string, string>;

const nothing: ReadonlyMap<string, string> = new Map();

/** Leaves out the paths of the caller (relative, whole entries) and an empty lost+found of ext2/3/4. */
export async function selectEntries(root: OpenDirectory, exclude: readonly Skipped[]): Promise<Selection> {
  const reasons = new Map<string, Map<string, string>>();
  const leaveOut = (path: string, reason: string): void => {
    const slash = path.lastIndexOf('/');
    const directory = slash === -1 ? '' : path.slice(0, slash);
    const names = reasons.get(directory) ?? new Map<string, string>();
    reasons.set(directory, names.set(path.slice(slash + 1), reason));
  };
  if (await hasEmptyLostAndFound(root)) leaveOut('lost+found', 'empty lost+found of the file system');
  for (const { path, reason } of exclude) leaveOut(Buffer.from(path).toString('latin1'), reason);
  return (path) => reasons.get(path) ?? nothing;
}

/** Magic number of ext2/3/4, and the inode of their root: statfs(2), <linux/magic.h>. */
const extMagic = 0xef53;
const extRootInode = 2n;

async function hasEmptyLostAndFound(root: OpenDirectory): Promise<boolean> {
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

export interface ScanOptions {
  readonly crew: Crew;
  readonly select: Selection;
  readonly signal: AbortSignal;
  readonly onProgress?: (count: TreeCount) => void;
}

/** Counts what is there, also what cannot be looked at. */
export async function scanTree(root: OpenDirectory, options: ScanOptions): Promise<TreeCount> {
  const { crew, select, signal } = options;
  const total = { items: 0, bytes: 0, itemsByType: {} as Partial<Record<TreeNode['type'], number>> };
  const fork = createForks(directoriesInFlight);

  const visit = async (directory: OpenDirectory, path: string, depth: number): Promise<void> => {
    signal.throwIfAborted();
    const skip = [...select(path).keys()];
    const counted = await unlessGone(crew.run({ kind: 'count', directory: directory.fd, skip }));
    if (counted === undefined) return;
    total.items += counted.items;
    total.bytes += counted.bytes;
    for (const [type, count] of Object.entries(counted.itemsByType) as [TreeNode['type'], number][]) {
      total.itemsByType[type] = (total.itemsByType[type] ?? 0) + count;
    }
    options.onProgress?.(total);
    if (depth === treeDepthMax) return;
    await fork(
      counted.directories.map((name) => async () => {
        const opened = await unlessGone(openChild(directory, Buffer.from(name, 'latin1')));
        if (opened === undefined) return;
        await using child = opened;
        await visit(child, path === '' ? name : `${path}/${name}`, depth + 1);
      }),
    );
  };

  await visit(root, '', 0);
  return total;
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
