import { windowDigest, windowBytes } from './rabin.ts';
import { createRabinScanner, splitMask } from './rabin-wasm.ts';

/** restic's bounds of a chunk, in bytes. */
export const chunkBytesMin = 512 * 1024;
export const chunkBytesMax = 8 * 1024 * 1024;
/** How much is read at a time: large enough that a call costs nothing beside the bytes. */
export const readBytes = 1024 * 1024;
/** Twice the largest chunk, so that the unfinished rest is moved to the front once in several chunks only. */
const bufferBytes = 2 * chunkBytesMax;

/**
 * Cuts a stream where its content says so, exactly where restic cuts it: the same data in any file, written by either,
 * is stored once. The input is put into the chunker's own memory, and chunks are views of it: nothing is copied.
 *
 *   until the end of input: fill some of `room()`, say `filled(n)`, take all of `next()`; then take `rest()`.
 */
export interface Chunker {
  /** Where to put input: at least `readBytes` long. Ends the life of the views given out before. */
  room(): Uint8Array<ArrayBuffer>;
  filled(bytes: number): void;
  /** The next whole chunk, or undefined when more input is needed. */
  next(): Uint8Array<ArrayBuffer> | undefined;
  /** What is left after the last whole chunk, or undefined; the chunker is then empty. */
  rest(): Uint8Array<ArrayBuffer> | undefined;
  /** Bytes taken in and not given out yet. 0 means: the next byte begins a chunk. */
  readonly pendingBytes: number;
  /** Forgets everything. */
  reset(): void;
}

export function createChunker(polynomial: bigint): Chunker {
  const scanner = createRabinScanner(polynomial, bufferBytes);
  const { buffer, tables } = scanner;
  /** The chunk begins here; bytes before are given out. */
  let start = 0;
  /** The scan has looked at the chunk up to here; 0 = not begun. */
  let scanned = 0;
  let end = 0;

  const take = (to: number): Uint8Array<ArrayBuffer> => {
    const chunk = buffer.subarray(start, to);
    start = to;
    scanned = 0;
    return chunk;
  };

  return {
    room: () => {
      if (buffer.length - end < readBytes) {
        buffer.copyWithin(0, start, end);
        scanned = scanned === 0 ? 0 : scanned - start;
        end -= start;
        start = 0;
      }
      return buffer.subarray(end, end + readBytes);
    },
    filled: (bytes) => {
      end += bytes;
    },
    next: () => {
      const shortest = start + chunkBytesMin;
      if (end < shortest) return undefined;
      const limit = Math.min(end, start + chunkBytesMax);
      let cut = 0;
      if (scanned === 0) {
        // No cut is allowed before the shortest chunk, so the hash begins one window before it.
        const digest = windowDigest(buffer.subarray(shortest - windowBytes, shortest), tables);
        cut = (digest & splitMask) === 0n ? shortest : scanner.start(digest, shortest, limit);
      } else {
        cut = scanner.resume(scanned, limit);
      }
      if (cut === 0 && limit === start + chunkBytesMax) cut = limit;
      if (cut !== 0) return take(cut);
      scanned = limit;
      return undefined;
    },
    rest: () => {
      const last = start === end ? undefined : take(end);
      start = 0;
      end = 0;
      return last;
    },
    get pendingBytes() {
      return end - start;
    },
    reset: () => {
      start = 0;
      end = 0;
      scanned = 0;
    },
  };
}
