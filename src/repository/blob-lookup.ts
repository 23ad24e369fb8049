import { bytesOf, hashId, ID_BYTES, ID_WORDS, isSameBlob, OFFSET_WORD, PACK_WORD, readRecord } from './blob-record.ts';
import { RECORD_BYTES, RECORD_WORDS, TREE_BIT } from './blob-record.ts';
import { findInTable } from './blob-table.ts';
import type { TableView } from './blob-table.ts';
import type { BlobEntry } from './pack.ts';
import { packIdAt } from './pack-ids.ts';
import type { PackIdsView } from './pack-ids.ts';
import { groupOf } from './record-runs.ts';
import { readScratch } from './scratch.ts';
import type { BlobId, BlobType } from './types.ts';

/** A blob's entry and the pack it lies in. */
export interface BlobPlace extends BlobEntry {
  readonly packId: string;
}

/** Which blobs there are, and where. A lookup takes about a microsecond, and does not wait for anything but a disk. */
export interface BlobLookup {
  has(type: BlobType, id: BlobId): boolean;
  find(type: BlobType, id: BlobId): BlobPlace | undefined;
  /** The same by the id's 32 bytes. */
  hasBytes(type: BlobType, id: Uint8Array): boolean;
  findBytes(type: BlobType, id: Uint8Array): BlobPlace | undefined;
}

/**
 * All that is needed to look blobs up, as `postMessage` can send it to another thread of this process. Its memory is
 * shared, its files are read by their descriptors: whoever shares it keeps them open.
 */
export interface IndexView {
  readonly seed: number;
  readonly table: TableView;
  /** Newest first. */
  readonly runs: readonly RunView[];
  readonly packIds: PackIdsView;
}

export interface RunView {
  readonly descriptor: number;
  readonly groupBits: number;
  readonly starts: Uint32Array<SharedArrayBuffer>;
}

/** Groups have half as many on the average. */
const GROUP_RECORDS_USUAL = 128;

/** Looks blobs up in what `current` answers at that time. */
export function createBlobLookup(current: () => IndexView): BlobLookup {
  const wanted = new Uint32Array(RECORD_WORDS);
  const wantedId = bytesOf(wanted, 0, ID_WORDS);
  let group = new Uint32Array(GROUP_RECORDS_USUAL * RECORD_WORDS);
  let groupBytes = bytesOf(group);
  /** Where the record that was found lies. */
  let foundIn: Uint32Array = wanted;
  let foundAt = 0;

  const locate = (type: BlobType): boolean => {
    wanted[OFFSET_WORD] = type === 'tree' ? TREE_BIT : 0;
    const { seed, table, runs } = current();
    const hash = hashId(wanted, 0, seed);
    foundIn = table.records;
    foundAt = findInTable(table, { words: wanted, at: 0, hash });
    for (const run of runs) {
      if (foundAt >= 0) break;
      foundAt = locateInRun(run, hash);
    }
    return foundAt >= 0;
  };

  const locateInRun = ({ descriptor, groupBits, starts }: RunView, hash: number): number => {
    const start = starts[groupOf(hash, groupBits)] ?? 0;
    const words = ((starts[groupOf(hash, groupBits) + 1] ?? 0) - start) * RECORD_WORDS;
    if (words > group.length) {
      group = new Uint32Array(words);
      groupBytes = bytesOf(group);
    }
    readScratch(descriptor, groupBytes, { position: start * RECORD_BYTES, length: words * 4 });
    foundIn = group;
    for (let at = 0; at < words; at += RECORD_WORDS) if (isSameBlob(wanted, 0, group, at)) return at;
    return -1;
  };
  const place = (): BlobPlace => {
    const packId = packIdAt(current().packIds, foundIn[foundAt + PACK_WORD] ?? 0);
    return { ...readRecord(foundIn, foundAt), packId };
  };

  const has = (type: BlobType, id: BlobId): boolean => wantedId.write(id, 'hex') === ID_BYTES && locate(type);
  const hasBytes = (type: BlobType, id: Uint8Array): boolean => {
    if (id.length !== ID_BYTES) return false;
    wantedId.set(id);
    return locate(type);
  };
  return {
    has,
    hasBytes,
    find: (type, id) => (has(type, id) ? place() : undefined),
    findBytes: (type, id) => (hasBytes(type, id) ? place() : undefined),
  };
}

/** Looks up in what another thread has shared. */
export function openIndexView(view: IndexView): BlobLookup {
  return createBlobLookup(() => view);
}
