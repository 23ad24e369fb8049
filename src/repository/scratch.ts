import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, SalvorError } from '#shared/errors';

/**
 * A private file for what does not fit into memory. It has no name: when its last holder lets go, or the process dies,
 * its space is free again. Other threads may read it by its descriptor while it is held.
 */
export interface ScratchFile {
  readonly descriptor: number;
  /** Bytes written so far. */
  readonly size: number;
  append(bytes: Uint8Array): void;
  /** One more holder; whoever made the file is the first. */
  hold(): void;
  release(): void;
}

/** Makes a scratch file in this folder. Throws `Prerequisite` if that is not possible. */
export function createScratchFile(folder: string): ScratchFile {
  const descriptor = attempt(folder, 'cannot be used', () => {
    const path = join(folder, `salvor-${randomBytes(12).toString('hex')}`);
    const opened = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    return opened;
  });
  let size = 0;
  let holders = 1;
  return {
    descriptor,
    get size() {
      return size;
    },
    append(bytes) {
      attempt(folder, `cannot take ${bytes.length} bytes more`, () => {
        for (let done = 0; done < bytes.length;) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, size + done);
        }
      });
      size += bytes.length;
    },
    hold() {
      holders++;
    },
    release() {
      holders--;
      if (holders === 0) closeSync(descriptor);
    },
  };
}

/** Reads `length` bytes from this position of the file to the beginning of the target. */
export function readScratch(
  descriptor: number,
  target: Uint8Array,
  { position, length }: { readonly position: number; readonly length: number },
): void {
  for (let done = 0; done < length;) {
    const count = readSync(descriptor, target, done, length - done, position + done);
    if (count === 0) throw new SalvorError('The scratch file of the index is too short', { code: 'Internal' });
    done += count;
  }
}

function attempt<T>(folder: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new SalvorError(`The folder ${folder} for parts of the index ${what}: ${messageOf(error)}`, {
      code: 'Prerequisite',
      hint: 'A large repository needs about 100 bytes a blob there while its index is read. Make room, or set TMPDIR to a folder that has it.',
      cause: error,
    });
  }
}
