import { bytesOf, ID_BYTES, ID_WORDS } from './blob-record.ts';
import { createScratchFile, readScratch } from './scratch.ts';
import type { ScratchFile } from './scratch.ts';

/** What of the pack ids other threads may read. */
export interface PackIdsView {
  /** Ids that are in the file, if there is one; the others are in memory. */
  readonly filed: number;
  readonly descriptor: number | undefined;
  readonly recent: Uint8Array<SharedArrayBuffer>;
}

/** The ids of packs by number, in the order in which they were added. Those that memory does not take are in a file. */
export interface PackIds extends Disposable {
  readonly count: number;
  readonly view: PackIdsView;
  readonly file: ScratchFile | undefined;
  /** Adds the id at this word. */
  add(words: Uint32Array, at: number): void;
}

export interface PackIdsOptions {
  readonly folder: string;
  /** Ids in memory. */
  readonly recentMax: number;
}

/** Memory for so many ids at first, and then times as much whenever it is full. */
const IDS_FIRST = 1024;
const GROWTH = 4;

export function createPackIds({ folder, recentMax }: PackIdsOptions): PackIds {
  let recent = createRecent(Math.min(recentMax, IDS_FIRST));
  let filed = 0;
  let count = 0;
  let file: ScratchFile | undefined;
  return {
    get count() {
      return count;
    },
    get view() {
      return { filed, descriptor: file?.descriptor, recent };
    },
    get file() {
      return file;
    },
    add(words, at) {
      if (count - filed === recentMax) {
        file ??= createScratchFile(folder);
        file.append(recent);
        filed = count;
        // Not the same memory again: others may be reading it.
        recent = createRecent(Math.min(recentMax, IDS_FIRST));
      }
      const room = recent.length / ID_BYTES;
      if (count - filed === room) {
        const larger = createRecent(Math.min(recentMax, room * GROWTH));
        larger.set(recent);
        recent = larger;
      }
      recent.set(bytesOf(words, at, ID_WORDS), (count - filed) * ID_BYTES);
      count++;
    },
    [Symbol.dispose]: () => file?.release(),
  };
}

/** The id of this number, 64 hex digits. */
export function packIdAt({ filed, descriptor, recent }: PackIdsView, number: number): string {
  const id = Buffer.alloc(ID_BYTES);
  if (number < filed && descriptor !== undefined)
    readScratch(descriptor, id, { position: number * ID_BYTES, length: ID_BYTES });
  else id.set(recent.subarray((number - filed) * ID_BYTES, (number - filed + 1) * ID_BYTES));
  return id.toString('hex');
}

function createRecent(count: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(count * ID_BYTES));
}
