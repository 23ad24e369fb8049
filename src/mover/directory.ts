import { constants, openSync } from 'node:fs';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { SalvorError } from '#shared/errors';
import { byBytes } from './names.ts';
import { errnoOf } from './posix/libc.ts';
import type { FileStat } from './posix/stat.ts';

/**
 * An open directory. Its entries are reached relative to its descriptor, through /proc/self/fd, which is what openat(2)
 * is for: nobody can swap a parent for a symlink between two calls, and paths of any length work.
 */
export interface OpenDirectory extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly fd: number;
  /** The path to give to a system call for one entry. */
  child(name: Buffer): Buffer;
  /** The names of all entries, as bytes, sorted. */
  names(): Promise<Buffer[]>;
}

/** Not in `constants` everywhere: open(2), Linux. */
const O_PATH = 0o10000000;
const openDirectoryFlags = constants.O_RDONLY | constants.O_DIRECTORY;

/**
 * A tree deeper than this is not followed: every open level holds one descriptor, and PATH_MAX lets other programs
 * reach about 2,000 levels.
 */
export const treeDepthMax = 2000;

/** Opens the root of a tree, given by the operator: symlinks on the way to it are followed. */
export async function openRoot(path: string): Promise<OpenDirectory> {
  const root = fromHandle(await open(path, openDirectoryFlags));
  try {
    await stat(root.child(Buffer.from('.')));
  } catch (error) {
    await root[Symbol.asyncDispose]();
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new SalvorError('/proc is not mounted', { code: 'Prerequisite', hint: 'Mount /proc where the mover runs.' });
  }
  return root;
}

/** Opens a directory inside another one. A symlink in its place is an error (ENOTDIR or ELOOP). */
export async function openChild(parent: OpenDirectory, name: Buffer): Promise<OpenDirectory> {
  return fromHandle(await open(parent.child(name), openDirectoryFlags | constants.O_NOFOLLOW));
}

function fromHandle(handle: FileHandle): OpenDirectory {
  const prefix = Buffer.from(`/proc/self/fd/${handle.fd}/`);
  return {
    handle,
    fd: handle.fd,
    child: (name) => Buffer.concat([prefix, name]),
    names: async () => (await readdir(prefix, { encoding: 'buffer' })).sort(byBytes),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/**
 * Opens a regular file for reading, without following a symlink, without waiting for the writer of a FIFO that took
 * its place, and without changing its access time where the caller may ask for that.
 */
export async function openFile(path: Buffer): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return await open(path, flags | constants.O_NOATIME);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return open(path, flags);
  }
}

/** A descriptor of whatever is at the path, symlinks included, that allows only looking at it. The caller closes it. */
export function openNode(path: Buffer): number {
  return openSync(path, O_PATH | constants.O_NOFOLLOW);
}

type FileState = Pick<FileStat, 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>;

/** True if nothing that a write or a change of metadata leaves behind differs. */
export function sameState(before: FileState, after: FileState): boolean {
  return (
    before.ino === after.ino &&
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs === after.ctimeNs
  );
}
