import { closeSync, fstatSync, lstatSync, openSync, constants, readSync, type BigIntStats } from 'node:fs';
import { blobId } from '#repository/ids';
import type { BlobId } from '#repository/types';
import { compareMetadata, type ComparedMetadata, type Found } from './compare-metadata.ts';
import { adviseUncached, nextData } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';
import { readXattrs } from '../posix/xattrs.ts';
import { failureOf, type Failure } from '../worker-pool.ts';
import { isZeroBlob } from './zero-blobs.ts';

/** What one thread does to read back: it compares files, or parts of them, with what the repository says. */
export interface CompareJob {
  readonly kind: 'compare';
  readonly files: readonly ComparedFile[];
}

export type ComparedFile = NamedFile | OpenedFile;

/** A file that is opened for this. */
export interface NamedFile extends Part {
  /** The path for the system call, each byte as one character. */
  readonly path: string;
  /** With the part that begins the file. */
  readonly metadata?: ComparedMetadata;
  readonly size: number;
}

/** A file or device that is open. */
export interface OpenedFile extends Part {
  readonly fd: number;
}

interface Part {
  /** Where the first of the blobs begins. */
  readonly position: number;
  readonly blobs: readonly ComparedBlob[];
}

export interface ComparedBlob {
  readonly id: BlobId;
  /** Plain. */
  readonly bytes: number;
}

export type CompareAnswer = readonly FileAnswer[];

export interface FileAnswer {
  readonly found: readonly Found[];
  /** Indexes of the blobs that are not what the file holds there. */
  readonly differing: readonly number[];
  /** Of what is there, if its metadata was asked for. */
  readonly inode?: Inode;
  /** It could not be read. */
  readonly failure?: Failure;
}

export type Inode = Pick<BigIntStats, 'dev' | 'ino' | 'nlink'>;

/** Blobs of more bytes than this are read into memory of their own. */
const scratchBytes = 8 * 1024 * 1024;

export function createCompareWork(): (job: CompareJob) => CompareAnswer {
  let scratch: Buffer | undefined;
  const memory = (bytes: number): Buffer => {
    if (bytes > scratchBytes) return Buffer.allocUnsafeSlow(bytes);
    scratch ??= Buffer.allocUnsafeSlow(scratchBytes);
    return scratch.subarray(0, bytes);
  };
  return ({ files }) =>
    files.map((file) => {
      try {
        if ('fd' in file) return { found: [], differing: compareBlobs(file.fd, file, memory) };
        return compareFile(file, memory);
      } catch (error) {
        if (errnoOf(error) === undefined) throw error;
        return { found: [], differing: [], failure: failureOf(error) };
      }
    });
}

type Memory = (bytes: number) => Buffer;

function compareFile(file: NamedFile, memory: Memory): FileAnswer {
  const path = Buffer.from(file.path, 'latin1');
  const found: Found[] = [];
  let inode: Inode | undefined;
  if (file.metadata !== undefined) {
    const stats = lstatSync(path, { bigint: true });
    inode = { dev: stats.dev, ino: stats.ino, nlink: stats.nlink };
    found.push(...compareMetadata(file.metadata, stats, readXattrs(path).xattrs));
    if (found.some(({ what }) => what === 'type')) return { found, differing: [], inode };
  }
  const fd = openToRead(path);
  try {
    const { size } = fstatSync(fd);
    if (size !== file.size) {
      found.push({ what: 'size', expected: `${file.size} bytes`, found: `${size} bytes` });
      return { found, differing: [], ...(inode === undefined ? {} : { inode }) };
    }
    const differing = file.blobs.length === 0 ? [] : compareBlobs(fd, file, memory);
    return { found, differing, ...(inode === undefined ? {} : { inode }) };
  } finally {
    closeSync(fd);
  }
}

/** Not waiting for the writer of a FIFO that took its place, and not changing its access time where that is allowed. */
export function openToRead(path: Buffer): number {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return openSync(path, flags | constants.O_NOATIME);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return openSync(path, flags);
  }
}

function compareBlobs(fd: number, file: Part, memory: Memory): number[] {
  const bytes = file.blobs.reduce((sum, blob) => sum + blob.bytes, 0);
  // So that the disk is asked, and not what the kernel remembers of the writing.
  adviseUncached(fd, file.position, bytes);
  const differing: number[] = [];
  let position = file.position;
  let data = nextData(fd, position);
  for (const [index, blob] of file.blobs.entries()) {
    const end = position + blob.bytes;
    if (data < position) data = nextData(fd, position);
    const isHole = data >= end;
    const isEqual = isHole && isZeroBlob(blob.id) ? true : blobId(readAt(fd, memory(blob.bytes), position)) === blob.id;
    if (!isEqual) differing.push(index);
    position = end;
  }
  return differing;
}

/** Less than was asked for if the file ends. */
function readAt(fd: number, into: Buffer, position: number): Buffer {
  let filled = 0;
  while (filled < into.length) {
    const bytes = readSync(fd, into, filled, into.length - filled, position + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  return into.subarray(0, filled);
}
