import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { createBlobPacker } from './blob-packer.ts';
import type { Catalog } from './catalog.ts';
import { createClaims } from './claims.ts';
import type { Vault } from './files.ts';
import { blobId } from './ids.ts';
import { blobBytesMax } from './pack.ts';
import { createPackMemory } from './pack-memory.ts';
import { createPackUploads } from './pack-uploads.ts';
import { createPacking } from './packing.ts';
import type { Packing } from './packing.ts';
import type { BlobType, SavedBlob } from './types.ts';

/** Packs on their way to the store, at most: more would not be faster, and a backup stays below 300 MB. */
const UPLOADS_MAX = 4;

/** Packs of this thread that are filled or under way: 16 to 24 MiB each. Two are filled at a time, one of each type. */
export const PACKS_MAX = 2 + UPLOADS_MAX;

/** Packs blobs and uploads the packs; see `BlobSink`. */
export interface BlobWriter {
  saveBlob(type: BlobType, bytes: Uint8Array, signal?: AbortSignal): Promise<SavedBlob>;
  flush(signal?: AbortSignal): Promise<void>;
  /** Lists in an index file what is in the store already; waits for nothing else. */
  indexStored(signal?: AbortSignal): Promise<void>;
  /** Lets this many other threads pack, too. */
  packing(threads: number): Packing;
  /** Stops uploads and waits until they have ended. What was not flushed is lost. */
  stop(): Promise<void>;
}

export interface WriterDeps {
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * After an upload failed the writer is broken for good: blobs that were answered as saved are not in the store, and a
 * snapshot that needs them must never be written.
 */
export function createBlobWriter(vault: Vault, catalog: Catalog, deps: WriterDeps): BlobWriter {
  const { clock } = deps;
  const claims = createClaims();
  const memory = createPackMemory(PACKS_MAX);
  const uploads = createPackUploads(vault, catalog, { clock, uploadsMax: UPLOADS_MAX });
  const packer = createBlobPacker({
    sealer: vault.sealer,
    version: vault.version,
    claims,
    isStored: (type, id) => catalog.has(type, id),
    deliver: ({ pack, slot }) => uploads.add(pack, () => memory.release(slot)),
  });
  let stopped = false;

  const checkUsable = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    uploads.failed.throwIfAborted();
    if (stopped) throw new SalvorError('The repository is closed', { code: 'Internal' });
  };

  return {
    async saveBlob(type, bytes, signal) {
      checkUsable(signal);
      if (bytes.length > blobBytesMax(type)) {
        throw new SalvorError(`A ${type} blob of ${bytes.length} bytes is too large`, { code: 'InvalidInput' });
      }
      while (!packer.hasMemory(type)) {
        const early = packer.known(type, blobId(bytes));
        if (early !== undefined) return early;
        const slot = memory.tryTake() ?? (await memory.take(signal));
        if (packer.hasMemory(type)) memory.release(slot.slot);
        else packer.give(type, slot);
        checkUsable(signal);
      }
      // Hash, compress and seal in one go without a pause: whatever happens to the buffer meanwhile, a blob is what its id says.
      return packer.save(type, bytes);
    },
    async flush(signal) {
      checkUsable(signal);
      packer.flush();
      await uploads.settle(signal);
      checkUsable(signal);
      // All that was claimed can be found in the catalog now; what a prune takes from there must not stay claimed.
      claims.clear();
    },
    indexStored: async (signal) => uploads.indexStored(signal),
    packing(threads) {
      memory.add(threads);
      return createPacking({ keys: vault.sealer.keys, version: vault.version, claims, memory, catalog, uploads });
    },
    async stop() {
      stopped = true;
      await uploads.stop();
    },
  };
}
