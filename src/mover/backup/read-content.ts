import { read as readFrom, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BlobId } from '#repository/types';
import { chunkBytesMin, createChunker, type Chunker } from './chunker.ts';
import { dataExtents } from '../posix/files.ts';
import { windowBytes } from './rabin.ts';

/**
 * Files above one chunk that are read at the same time. Each holds a chunker (16 MiB); more of them do not read faster
 * than the repository compresses.
 */
const largeFilesInFlight = 2;

/** Chunks of a hole between two looks at signals and timers: about a millisecond of work. */
export const chunksBetweenPauses = 1024;

export interface ReadOptions {
  readonly signal: AbortSignal;
  /** Told how many bytes of the file are done since the last call, holes included. */
  readonly onBytes?: (bytes: number) => void;
}

export interface ReadContent {
  /** The blobs whose bytes, joined, are what was read. */
  readonly content: readonly BlobId[];
  /** Less than asked for if the file ended early. */
  readonly bytes: number;
}

/** Turns open files into blobs: up to 512 KiB one blob, above that content-defined chunks. Holes are not read. */
export interface ContentReader {
  read(file: OpenFile, size: number, options: ReadOptions): Promise<ReadContent>;
}

export interface OpenFile {
  readonly fd: number;
}

/** Takes a blob's bytes, valid until it resolves, and answers its id. */
export type SaveBlob = (bytes: Uint8Array) => BlobId | Promise<BlobId>;

/** Reads into the buffer from a position; answers the number of bytes, 0 at the end. */
export type ReadAt = (fd: number, buffer: Uint8Array, position: number) => number | Promise<number>;

const readAsync = promisify(readFrom);

/** For a thread that does nothing else meanwhile: what is in the page cache comes at once. */
export const readBlocking: ReadAt = (fd, buffer, position) => readSync(fd, buffer, 0, buffer.length, position);

export const readWithoutBlocking: ReadAt = async (fd, buffer, position) => {
  const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, position);
  return bytesRead;
};

export function createContentReader(
  polynomial: bigint,
  save: SaveBlob,
  readAt: ReadAt = readWithoutBlocking,
): ContentReader {
  const buffers: Buffer[] = [];
  const chunkers = pool(largeFilesInFlight, () => createChunker(polynomial));
  let zeroChunk: Promise<BlobId> | undefined;
  const saveZeroChunk = async (): Promise<BlobId> => (zeroChunk ??= Promise.resolve(save(Buffer.alloc(chunkBytesMin))));

  return {
    read: async (file, size, options) => {
      options.signal.throwIfAborted();
      if (size <= chunkBytesMin) {
        const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(chunkBytesMin);
        try {
          return await readSmall({ file, size, save, readAt, options }, buffer.subarray(0, size));
        } finally {
          buffers.push(buffer);
        }
      }
      const chunker = await chunkers.acquire();
      try {
        return await readLarge({ file, size, chunker, save, saveZeroChunk, readAt, options });
      } finally {
        chunker.reset();
        chunkers.release(chunker);
      }
    },
  };
}

interface Read {
  readonly file: OpenFile;
  readonly size: number;
  readonly save: SaveBlob;
  readonly readAt: ReadAt;
  readonly options: ReadOptions;
}

async function readSmall({ file, size, save, readAt, options }: Read, buffer: Buffer): Promise<ReadContent> {
  let bytes = 0;
  while (bytes < size) {
    const read = await readAt(file.fd, buffer.subarray(bytes), bytes);
    if (read === 0) break;
    bytes += read;
  }
  const content = bytes === 0 ? [] : [await save(buffer.subarray(0, bytes))];
  options.onBytes?.(bytes);
  return { content, bytes };
}

interface LargeRead extends Read {
  readonly chunker: Chunker;
  readonly saveZeroChunk: () => Promise<BlobId>;
}

async function readLarge(read: LargeRead): Promise<ReadContent> {
  const content: BlobId[] = [];
  let position = 0;
  for (const extent of dataExtents(read.file.fd, read.size)) {
    position = await takeHole(read, content, { from: position, to: extent.start });
    const reached = await takeData(read, content, { from: position, to: extent.end });
    if (reached < extent.end) return finish(read, content, reached);
    position = reached;
  }
  return finish(read, content, await takeHole(read, content, { from: position, to: read.size }));
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Answers how far it came: short of the end if the file was cut meanwhile. */
async function takeData(read: LargeRead, content: BlobId[], { from, to }: Range): Promise<number> {
  let position = from;
  while (position < to) {
    read.options.signal.throwIfAborted();
    const room = read.chunker.room();
    const bytes = await read.readAt(read.file.fd, room.subarray(0, to - position), position);
    if (bytes === 0) break;
    read.chunker.filled(bytes);
    position += bytes;
    await saveWholeChunks(read, content);
    read.options.onBytes?.(bytes);
  }
  return position;
}

/**
 * A hole is zeros. The chunk it begins in is completed; from then on every chunk of zeros is the shortest one (the hash
 * of a zero window is zero, which is a cut), so the blob is known and neither read nor hashed again.
 */
async function takeHole(read: LargeRead, content: BlobId[], { from, to }: Range): Promise<number> {
  let position = from;
  while (position < to) {
    read.options.signal.throwIfAborted();
    const left = to - position;
    let step = chunkBytesMin;
    if (read.chunker.pendingBytes === 0 && left >= chunkBytesMin) {
      content.push(await read.saveZeroChunk());
      // Nothing here waits for the system: without a pause a huge hole would keep signals and timers waiting.
      if (content.length % chunksBetweenPauses === 0) await setImmediate();
    } else {
      // No further than the chunk needs, so that the next one begins where this hole still is.
      const pending = read.chunker.pendingBytes;
      step = Math.min(left, pending < chunkBytesMin ? chunkBytesMin - pending : windowBytes);
      read.chunker.room().fill(0, 0, step);
      read.chunker.filled(step);
      await saveWholeChunks(read, content);
    }
    position += step;
    read.options.onBytes?.(step);
  }
  return position;
}

async function saveWholeChunks(read: LargeRead, content: BlobId[]): Promise<void> {
  for (let chunk = read.chunker.next(); chunk !== undefined; chunk = read.chunker.next()) {
    content.push(await read.save(chunk));
  }
}

async function finish(read: LargeRead, content: BlobId[], bytes: number): Promise<ReadContent> {
  const rest = read.chunker.rest();
  if (rest !== undefined) content.push(await read.save(rest));
  return { content, bytes };
}

/** At most `max` things, made when needed and used by one at a time. */
function pool<T>(max: number, make: () => T): { acquire(): Promise<T>; release(item: T): void } {
  const free: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  let made = 0;
  return {
    acquire: async () => {
      const ready = free.pop();
      if (ready !== undefined) return ready;
      if (made < max) {
        made++;
        return make();
      }
      return new Promise<T>((resolve) => waiting.push(resolve));
    },
    release: (item) => {
      const next = waiting.shift();
      if (next === undefined) free.push(item);
      else next(item);
    },
  };
}
