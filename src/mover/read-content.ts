import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { BlobId } from '#repository/types';
import { chunkBytesMin, createChunker, type Chunker } from './chunker.ts';
import { dataExtents } from './posix/files.ts';
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
  read(file: FileHandle, size: number, options: ReadOptions): Promise<ReadContent>;
}

/** `save` takes a blob's bytes, valid until it resolves, and answers its id. */
export function createContentReader(polynomial: bigint, save: (bytes: Uint8Array) => Promise<BlobId>): ContentReader {
  const chunkers = pool(largeFilesInFlight, () => createChunker(polynomial));
  let zeroChunk: Promise<BlobId> | undefined;
  const saveZeroChunk = (): Promise<BlobId> => (zeroChunk ??= save(Buffer.alloc(chunkBytesMin)));

  return {
    read: async (file, size, options) => {
      options.signal.throwIfAborted();
      if (size <= chunkBytesMin) return readSmall(file, size, save, options);
      const chunker = await chunkers.acquire();
      try {
        return await readLarge({ file, size, chunker, save, saveZeroChunk, options });
      } finally {
        chunker.reset();
        chunkers.release(chunker);
      }
    },
  };
}

async function readSmall(
  file: FileHandle,
  size: number,
  save: (bytes: Uint8Array) => Promise<BlobId>,
  options: ReadOptions,
): Promise<ReadContent> {
  const buffer = Buffer.allocUnsafe(size);
  let bytes = 0;
  while (bytes < size) {
    const { bytesRead } = await file.read(buffer, bytes, size - bytes, bytes);
    if (bytesRead === 0) break;
    bytes += bytesRead;
  }
  const content = bytes === 0 ? [] : [await save(buffer.subarray(0, bytes))];
  options.onBytes?.(bytes);
  return { content, bytes };
}

interface LargeRead {
  readonly file: FileHandle;
  readonly size: number;
  readonly chunker: Chunker;
  readonly save: (bytes: Uint8Array) => Promise<BlobId>;
  readonly saveZeroChunk: () => Promise<BlobId>;
  readonly options: ReadOptions;
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
    const { bytesRead } = await read.file.read(room, 0, Math.min(room.length, to - position), position);
    if (bytesRead === 0) break;
    read.chunker.filled(bytesRead);
    position += bytesRead;
    await saveWholeChunks(read, content);
    read.options.onBytes?.(bytesRead);
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
