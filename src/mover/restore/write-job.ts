import { closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { openBlobInto, type BlobEntry } from '#repository/pack';
import { createSealer, type KeyHandles, type Sealer } from '#repository/seal';
import { SalvorError } from '#shared/errors';
import { applyToFile, type Metadata } from './apply-metadata.ts';
import { createFileLocks, type FileLocks } from './file-locks.ts';
import { failureOf, type Failure } from '../worker-pool.ts';
import { writeSparse } from './write-sparse.ts';

/** What one thread does for a restore: it opens the blobs of a part of a pack and writes them to where they belong. */
export interface WriteJob {
  readonly kind: 'write';
  /** Part of a pack; the blobs' offsets are in it. In memory of its own, which the job uses up. */
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly blobs: readonly JobBlob[];
}

export interface JobBlob extends BlobEntry {
  readonly targets: readonly Target[];
}

/** All places that want the blob. */
export type Target = NewFile | OpenFile;

/** A file of this one blob, that is not there yet: made, written, finished and closed in one go. */
export interface NewFile {
  readonly kind: 'new';
  /** The path for the system call, each byte as one character: strings travel between threads in one piece. */
  readonly path: string;
  readonly metadata: Metadata;
}

/** A part of a file that somebody else opened and finishes. */
export interface OpenFile {
  readonly kind: 'open';
  /** Descriptors belong to the process, so all threads have them. */
  readonly fd: number;
  readonly position: number;
  readonly found: 'zeros' | 'data';
  /** Who writes to one file at the same time waits here, not inside the kernel. */
  readonly lock: number;
}

export interface WriteAnswer {
  /** Blobs that could not be opened, by their index in the job: nothing of them was written. */
  readonly damaged: readonly { readonly blob: number; readonly failure: Failure }[];
  readonly problems: readonly TargetProblem[];
}

/** What went wrong with one target, at which step of its metadata if it was not its content. */
export interface TargetProblem {
  readonly blob: number;
  readonly target: number;
  readonly step?: string;
  readonly failure: Failure;
}

/** The largest blob that is decompressed into memory used again: chunks are at most 8 MiB. */
const scratchBytes = 8 * 1024 * 1024;

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface WriteSetup {
  readonly keys: KeyHandles;
  /** See file-locks.ts. */
  readonly locks: SharedArrayBuffer;
}

export function createWriteWork({ keys, locks }: WriteSetup): (job: WriteJob) => WriteAnswer {
  const thread: ThreadState = { sealer: createSealer(keys), locks: createFileLocks(locks), scratch: undefined };
  return (job) => {
    const answer = writeBlobs(job, thread);
    // Gives the memory back at once; the garbage collector would let megabytes of it pile up.
    job.sealed.buffer.transfer(0);
    return answer;
  };
}

interface ThreadState {
  readonly sealer: Sealer;
  readonly locks: FileLocks;
  scratch: Buffer | undefined;
}

function writeBlobs(job: WriteJob, thread: ThreadState): WriteAnswer {
  const damaged: { blob: number; failure: Failure }[] = [];
  const problems: TargetProblem[] = [];
  for (const [index, blob] of job.blobs.entries()) {
    let plain: Buffer;
    try {
      plain = openBlob(job, blob, thread);
    } catch (error) {
      if (!(error instanceof SalvorError)) throw error;
      damaged.push({ blob: index, failure: failureOf(error) });
      continue;
    }
    for (const [target, place] of blob.targets.entries()) {
      for (const problem of writeTo(place, plain, thread)) problems.push({ blob: index, target, ...problem });
    }
  }
  return { damaged, problems };
}

function openBlob(job: WriteJob, blob: JobBlob, thread: ThreadState): Buffer {
  const sealed = job.sealed.subarray(blob.offset, blob.offset + blob.length);
  const isLarge = blob.uncompressedLength > scratchBytes;
  if (!isLarge) thread.scratch ??= Buffer.allocUnsafeSlow(scratchBytes);
  const memory = isLarge ? Buffer.allocUnsafeSlow(blob.uncompressedLength) : thread.scratch;
  return openBlobInto(memory ?? Buffer.alloc(0), sealed, {
    blob,
    sealer: { open: (bytes, what) => thread.sealer.openInPlace(bytes, what) },
  });
}

type TargetFailure = Pick<TargetProblem, 'step' | 'failure'>;

function writeTo(target: Target, plain: Buffer, thread: ThreadState): readonly TargetFailure[] {
  try {
    if (target.kind === 'new') return writeNewFile(target, plain);
    using _held = thread.locks.hold(target.lock);
    writeSparse(plain, target);
    return [];
  } catch (error) {
    return [{ failure: failureOf(error) }];
  }
}

function writeNewFile(target: NewFile, plain: Buffer): readonly TargetFailure[] {
  const fd = openSync(Buffer.from(target.path, 'latin1'), newFile, 0o600);
  try {
    writeSparse(plain, { fd, position: 0, found: 'zeros' });
    // A hole at the end leaves the file short.
    if (plain.at(-1) === 0) ftruncateSync(fd, plain.length);
    return applyToFile(target.metadata, fd).map(({ step, error }) => ({ step, failure: failureOf(error) }));
  } finally {
    closeSync(fd);
  }
}
