import { corrupt } from './corrupt.ts';
import type { BlobEntry, PackEntry } from './pack.ts';
import type { BlobId, BlobType } from './types.ts';

/** A blob's entry and the pack it lies in. */
export interface BlobPlace extends BlobEntry {
  readonly packId: string;
}

/** Which blobs there are and where: 49 bytes a blob and a table of 6 to 12, nothing for the garbage collector to visit. */
export interface BlobIndex {
  /** Number of blobs. */
  readonly size: number;
  has(type: BlobType, id: BlobId): boolean;
  find(type: BlobType, id: BlobId): BlobPlace | undefined;
  /** Adds a pack's blobs; of a blob that is in several packs the first place is kept. */
  addPack(pack: PackEntry): void;
}

const ID_BYTES = 32;
const CAPACITY_FIRST = 1024;
/** The columns count in 32 bits, and one Buffer of ids holds at most 2^32 bytes. */
const CAPACITY_MAX = 2 ** 27;

/** Columns of one row each per blob. */
interface Columns {
  readonly ids: Buffer;
  readonly isTree: Uint8Array;
  readonly pack: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  readonly uncompressedLength: Uint32Array;
  /** Open addressing with linear probing: row number + 1, or 0 for a free slot. At most half full. */
  readonly slots: Uint32Array;
}

export function createBlobIndex(): BlobIndex {
  let columns = allocate(CAPACITY_FIRST);
  let size = 0;
  const packIds: string[] = [];
  const wanted = Buffer.alloc(ID_BYTES);

  const rowOf = (type: BlobType, id: BlobId): number | undefined => {
    if (wanted.write(id, 'hex') !== ID_BYTES) return undefined;
    const slot = findSlot(columns, wanted, type === 'tree' ? 1 : 0);
    const row = columns.slots[slot] ?? 0;
    return row === 0 ? undefined : row - 1;
  };

  const add = (blob: BlobEntry, pack: number): void => {
    if (size === columns.isTree.length) columns = grow(columns, size);
    wanted.write(blob.id, 'hex');
    const isTree = blob.type === 'tree' ? 1 : 0;
    const slot = findSlot(columns, wanted, isTree);
    if (columns.slots[slot] !== 0) return;
    columns.ids.set(wanted, size * ID_BYTES);
    columns.isTree[size] = isTree;
    columns.pack[size] = pack;
    columns.offset[size] = blob.offset;
    columns.length[size] = blob.length;
    columns.uncompressedLength[size] = blob.uncompressedLength;
    size++;
    columns.slots[slot] = size;
  };

  return {
    get size() {
      return size;
    },
    has: (type, id) => rowOf(type, id) !== undefined,
    find(type, id) {
      const row = rowOf(type, id);
      if (row === undefined) return undefined;
      return {
        type,
        id,
        packId: packIds[columns.pack[row] ?? 0] ?? '',
        offset: columns.offset[row] ?? 0,
        length: columns.length[row] ?? 0,
        uncompressedLength: columns.uncompressedLength[row] ?? 0,
      };
    },
    addPack(pack) {
      packIds.push(pack.id);
      for (const blob of pack.blobs) add(blob, packIds.length - 1);
    },
  };
}

function allocate(capacity: number): Columns {
  return {
    ids: Buffer.alloc(capacity * ID_BYTES),
    isTree: new Uint8Array(capacity),
    pack: new Uint32Array(capacity),
    offset: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    uncompressedLength: new Uint32Array(capacity),
    slots: new Uint32Array(capacity * 2),
  };
}

function grow(old: Columns, size: number): Columns {
  if (size >= CAPACITY_MAX) throw corrupt(`The repository has more than ${CAPACITY_MAX} blobs`);
  const columns = allocate(size * 2);
  columns.ids.set(old.ids);
  columns.isTree.set(old.isTree);
  columns.pack.set(old.pack);
  columns.offset.set(old.offset);
  columns.length.set(old.length);
  columns.uncompressedLength.set(old.uncompressedLength);
  for (let row = 0; row < size; row++) {
    const id = columns.ids.subarray(row * ID_BYTES, (row + 1) * ID_BYTES);
    columns.slots[findSlot(columns, id, columns.isTree[row] ?? 0)] = row + 1;
  }
  return columns;
}

/** The slot of this blob, or the free one where it belongs. Ids are hashes: their first bytes spread well enough. */
function findSlot(columns: Columns, id: Buffer, isTree: number): number {
  const mask = columns.slots.length - 1;
  for (let slot = (id.readUInt32LE(0) ^ isTree) & mask; ; slot = (slot + 1) & mask) {
    const row = (columns.slots[slot] ?? 0) - 1;
    if (row < 0) return slot;
    const start = row * ID_BYTES;
    if (columns.isTree[row] === isTree && id.compare(columns.ids, start, start + ID_BYTES) === 0) return slot;
  }
}
