import { writeSync } from 'node:fs';
import { punchHole } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';

/** Zeros are looked for in blocks of this size, on multiples of it: the block size of common file systems. */
const blockBytes = 4096;
/**
 * Zeros of this length become a hole. Shorter ones are written: the half-empty pages of a database would otherwise cut
 * its file into thousands of pieces, which every later read pays for.
 */
const holeBytesMin = 64 * 1024;
const zeroBlock = Buffer.alloc(blockBytes);

export interface Place {
  readonly fd: number;
  readonly position: number;
  /** What is there already: nothing but zeros, or anything. */
  readonly found: 'zeros' | 'data';
}

/** Writes bytes into a file or device that is large enough; runs of zeros become holes. */
export function writeSparse(bytes: Buffer, place: Place): void {
  let dataStart = 0;
  for (const hole of holesIn(bytes, place.position)) {
    writeAll(place.fd, bytes.subarray(dataStart, hole.start), place.position + dataStart);
    if (place.found === 'data') makeZero(place.fd, place.position + hole.start, hole.end - hole.start);
    dataStart = hole.end;
  }
  writeAll(place.fd, bytes.subarray(dataStart), place.position + dataStart);
}

/** Makes a part of a file or device zeros: a hole where that is possible. */
export function makeZero(fd: number, position: number, bytes: number): void {
  try {
    punchHole(fd, position, bytes);
  } catch (error) {
    if (errnoOf(error) !== 'EOPNOTSUPP' && errnoOf(error) !== 'ENOTSUP') throw error;
    for (let done = 0; done < bytes; done += blockBytes) {
      writeAll(fd, zeroBlock.subarray(0, Math.min(blockBytes, bytes - done)), position + done);
    }
  }
}

interface Run {
  readonly start: number;
  readonly end: number;
}

/**
 * The runs of zeros that are worth a hole; those at the ends may go on in the neighbours. Blocks are those of the file,
 * so the first one may be short.
 */
export function* holesIn(bytes: Buffer, position: number): Generator<Run> {
  let start = -1;
  let offset = 0;
  while (offset < bytes.length) {
    const length = Math.min(blockBytes - ((position + offset) % blockBytes), bytes.length - offset);
    // The first byte tells most blocks of data without a call.
    const isZero = bytes[offset] === 0 && bytes.compare(zeroBlock, 0, length, offset, offset + length) === 0;
    if (isZero && start < 0) start = offset;
    if (!isZero && start >= 0) {
      if (start === 0 || offset - start >= holeBytesMin) yield { start, end: offset };
      start = -1;
    }
    offset += length;
  }
  if (start >= 0) yield { start, end: offset };
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}
