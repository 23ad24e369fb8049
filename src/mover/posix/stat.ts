import { checked, libc } from './libc.ts';

/** What stat(2) tells of an entry, times to the nanosecond. `BigIntStats` of Node has the same fields, and costs seven times as much. */
export interface FileStat {
  /** With the type bits. */
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly size: bigint;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly rdev: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** From <fcntl.h> and <linux/stat.h>. */
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;

/** struct statx: its size, and where its fields lie. */
const statxBytes = 256;
const field = { nlink: 16, uid: 20, gid: 24, mode: 28, ino: 32, size: 40, atime: 64, ctime: 96, mtime: 112 } as const;
const deviceField = { rdev: 128, dev: 136 } as const;

/** Shared, because every call here is synchronous and copies what it keeps. */
const answer = Buffer.alloc(statxBytes);
/** NAME_MAX and the final NUL. */
const nameBuffer = Buffer.alloc(256);
const noName = Buffer.alloc(1);

/** An entry of an open directory, itself if it is a symlink. The name is latin1: a character per byte. */
export function statEntry(directory: number, name: string): FileStat {
  const flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  checked(libc().statx(directory, entryName(name), flags, STATX_BASIC_STATS, answer), 'statx');
  return readAnswer();
}

/** What is open. */
export function statOpen(fd: number): FileStat {
  checked(libc().statx(fd, noName, AT_EMPTY_PATH, STATX_BASIC_STATS, answer), 'statx');
  return readAnswer();
}

/** The name as C wants it, valid until the next call. Names come from the kernel: they are short and hold no NUL. */
export function entryName(name: string): Buffer {
  const bytes = nameBuffer.write(name, 0, nameBuffer.length - 1, 'latin1');
  nameBuffer[bytes] = 0;
  return nameBuffer;
}

function readAnswer(): FileStat {
  return {
    mode: BigInt(answer.readUInt16LE(field.mode)),
    nlink: BigInt(answer.readUInt32LE(field.nlink)),
    uid: BigInt(answer.readUInt32LE(field.uid)),
    gid: BigInt(answer.readUInt32LE(field.gid)),
    size: answer.readBigUInt64LE(field.size),
    ino: answer.readBigUInt64LE(field.ino),
    dev: deviceAt(deviceField.dev),
    rdev: deviceAt(deviceField.rdev),
    atimeNs: timeAt(field.atime),
    mtimeNs: timeAt(field.mtime),
    ctimeNs: timeAt(field.ctime),
  };
}

/** Seconds, and the nanoseconds that are added to them. */
function timeAt(offset: number): bigint {
  return answer.readBigInt64LE(offset) * 1_000_000_000n + BigInt(answer.readUInt32LE(offset + 8));
}

/** Major and minor number as glibc joins them to a dev_t (makedev(3)). */
function deviceAt(offset: number): bigint {
  const major = BigInt(answer.readUInt32LE(offset));
  const minor = BigInt(answer.readUInt32LE(offset + 4));
  return ((major & ~0xfffn) << 32n) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | (minor & 0xffn);
}
