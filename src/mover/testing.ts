import { SalvorError } from '#shared/errors';
import { blobId } from '#repository/ids';
import { decodeTree, encodeTree } from '#repository/tree';
import type { BlobId, BlobSink, BlobSource, PackSource, BlobType, SavedBlob, TreeNode } from '#repository/types';

/** For tests only: a double of a repository in memory, without packs, encryption and index. */
export interface MemoryBlobs extends BlobSink, BlobSource, Pick<PackSource, 'findBlob'> {
  /** Blobs by `type:id`; tests damage them here. */
  readonly blobs: Map<string, Buffer>;
  /** How often `saveBlob` was called for data. */
  readonly dataSaves: () => number;
}

/** The polynomial of unit tests: one that restic drew. */
export const testPolynomial = 0x3da3358b4dc173n;

export function createMemoryBlobs(): MemoryBlobs {
  const blobs = new Map<string, Buffer>();
  let dataSaves = 0;
  const keyOf = (type: BlobType, id: BlobId): string => `${type}:${id}`;
  const save = (type: BlobType, bytes: Uint8Array): SavedBlob => {
    const id = blobId(bytes);
    const isNew = !blobs.has(keyOf(type, id));
    if (isNew) blobs.set(keyOf(type, id), Buffer.from(bytes));
    return { id, isNew, storedBytes: isNew ? bytes.length : 0 };
  };
  const load = (type: BlobType, id: BlobId): Buffer => {
    const bytes = blobs.get(keyOf(type, id));
    if (bytes === undefined || blobId(bytes) !== id) {
      throw new SalvorError(`The blob ${id} is damaged or missing`, { code: 'RepositoryCorrupt' });
    }
    return Buffer.from(bytes);
  };
  return {
    blobs,
    dataSaves: () => dataSaves,
    saveBlob: async (type, bytes, signal) => {
      signal?.throwIfAborted();
      if (type === 'data') dataSaves++;
      return save(type, bytes);
    },
    saveTree: async (nodes: readonly TreeNode[]) => save('tree', encodeTree(nodes)),
    findBlob: (type, id) => {
      const uncompressedLength = blobs.get(keyOf(type, id))?.length;
      return uncompressedLength === undefined
        ? undefined
        : { type, id, packId: '', offset: 0, length: 0, uncompressedLength };
    },
    hasBlob: (type, id) => blobs.has(keyOf(type, id)),
    loadBlob: async (type, id, signal) => {
      signal?.throwIfAborted();
      return load(type, id);
    },
    loadTree: async (id) => decodeTree(load('tree', id), id),
  };
}
