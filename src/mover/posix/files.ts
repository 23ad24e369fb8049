import { checked, cString, errnoOf, errnoError, libc } from './libc.ts';
import { entryName } from './stat.ts';

/** From <fcntl.h> and <unistd.h> of Linux; the same on every architecture that Node supports. */
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_CLOEXEC = 0o2000000;
const POSIX_FADV_WILLNEED = 3;
const POSIX_FADV_DONTNEED = 4;
const SYNC_FILE_RANGE_WRITE = 2;
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;

/** The type bits of st_mode, of <sys/stat.h>. */
export const fileTypeMask = 0o170000;
export const fileTypeBits = {
  fifo: 0o010000,
  chardev: 0o020000,
  dir: 0o040000,
  dev: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

/** What mknod(2) makes. */
type NodeType = 'fifo' | 'chardev' | 'dev' | 'socket';

/** Sets both times, nanoseconds since the epoch, of an open file or of what is at the path (a symlink itself). */
export function setTimes(target: number | Buffer, atimeNs: bigint, mtimeNs: bigint): void {
  const times = Buffer.alloc(32);
  writeTimespec(times, 0, atimeNs);
  writeTimespec(times, 16, mtimeNs);
  const result =
    typeof target === 'number'
      ? libc().futimens(target, times)
      : libc().utimensat(AT_FDCWD, cString(target), times, AT_SYMLINK_NOFOLLOW);
  checked(result, 'utimensat');
}

/** struct timespec: nanoseconds count forwards from the second, also before 1970. */
function writeTimespec(into: Buffer, offset: number, timeNs: bigint): void {
  const nanoseconds = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  into.writeBigInt64LE((timeNs - nanoseconds) / 1_000_000_000n, offset);
  into.writeBigInt64LE(nanoseconds, offset + 8);
}

/** Makes a FIFO, a device or a socket; permissions are set afterwards, so that the umask does not matter. */
export function makeNode(path: Buffer, type: NodeType, rdev: bigint): void {
  checked(libc().mknod(cString(path), fileTypeBits[type] | 0o600, rdev), 'mknod');
}

/** Opens an entry of an open directory for reading, with more flags of open(2); answers the descriptor. The name is latin1. */
export function openEntry(directory: number, name: string, flags: number): number {
  return checked(libc().openat(directory, entryName(name), flags | O_CLOEXEC), 'openat');
}

/** Tells the kernel which bytes are read soon, so that it reads them while we work on others. */
export function readAhead(fd: number, offset: number, length: number): void {
  // Advice only: file systems that do not take it read when they are asked.
  libc().posix_fadvise(fd, offset, length, POSIX_FADV_WILLNEED);
}

export interface Extent {
  /** First byte. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** The parts of a file that are not holes, in order, asked for one by one. Without hole support: all of it. */
export function* dataExtents(fd: number, size: number): Generator<Extent> {
  let position = 0;
  while (position < size) {
    const start = seek(fd, position, SEEK_DATA);
    if (start === 'end' || (start !== 'unsupported' && start >= size)) return;
    if (start === 'unsupported') {
      yield { start: position, end: size };
      return;
    }
    const hole = seek(fd, start, SEEK_HOLE);
    const end = typeof hole === 'number' ? Math.min(hole, size) : size;
    yield { start, end };
    position = end;
  }
}

/** Bytes of an open block device; stat(2) does not know them. */
export function deviceBytes(fd: number): number {
  return checked(libc().lseek(fd, 0, SEEK_END), 'lseek');
}

/** Where data begins at or after this position; `Infinity` if there is only a hole left. */
export function nextData(fd: number, position: number): number {
  const data = seek(fd, position, SEEK_DATA);
  if (data === 'unsupported') return position;
  return data === 'end' ? Number.POSITIVE_INFINITY : data;
}

/**
 * Asks the kernel to forget what it has in memory of a part of a file, so that reading it asks the storage. It does so
 * for what is written back already, and only for file systems that have a storage; it does not tell.
 */
export function adviseUncached(fd: number, start: number, bytes: number): void {
  libc().posix_fadvise(fd, start, bytes, POSIX_FADV_DONTNEED);
}

function seek(fd: number, offset: number, whence: number): number | 'end' | 'unsupported' {
  try {
    return checked(libc().lseek(fd, offset, whence), 'lseek');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENXIO') return 'end';
    if (errno === 'EINVAL' || errno === 'ENOTSUP' || errno === 'EOPNOTSUPP') return 'unsupported';
    throw error;
  }
}

/**
 * Makes a part of a file or block device read as zeros, and gives its space back where the storage can. Throws
 * EOPNOTSUPP where holes are unknown.
 */
export function punchHole(fd: number, start: number, bytes: number): void {
  checked(libc().fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, bytes), 'fallocate');
}

/**
 * Asks the kernel to write what it holds of an open file to the storage now, not when it must. Resolves when that is
 * under way; it is advice, and nothing is durable by it: the fsync(2) after it waits for the rest and reports errors.
 */
export async function startWriteBack(fd: number): Promise<void> {
  await new Promise<void>((resolve) => {
    libc().sync_file_range.async(fd, 0, 0, SYNC_FILE_RANGE_WRITE, () => resolve());
  });
}

/** Makes everything written to the file system of this descriptor durable; reports lost writes. */
export async function syncFileSystem(fd: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // errno belongs to the worker thread that ran the call and is gone here: EIO is what syncfs(2) reports.
    libc().syncfs.async(fd, (error, result) => {
      if (error === null && result === 0) resolve();
      else reject(errnoError('EIO', 'written data could not be made durable, syncfs'));
    });
  });
}
