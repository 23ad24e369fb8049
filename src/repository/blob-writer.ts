import { SalvorError } from '#shared/errors';
import type { Catalog } from './catalog.ts';
import { saveFile } from './files.ts';
import type { Vault } from './files.ts';
import { blobId } from './ids.ts';
import { encodeIndex, inIndexFiles } from './index-file.ts';
import { INDEX_BLOBS_MAX } from './limits.ts';
import { blobBytesMax, createPackBuilder, packKey } from './pack.ts';
import type { Pack, PackBuilder, PackEntry } from './pack.ts';
import type { BlobId, BlobType, SavedBlob } from './types.ts';

/** Packs on their way to the store; with the two being filled, this bounds memory to about 80 MiB. */
const UPLOADS_MAX = 2;

/** Packs blobs and uploads the packs; see `BlobSink`. */
export interface BlobWriter {
  saveBlob(type: BlobType, bytes: Uint8Array, signal?: AbortSignal): Promise<SavedBlob>;
  flush(signal?: AbortSignal): Promise<void>;
  /** Stops uploads and waits until they have ended. What was not flushed is lost. */
  stop(): Promise<void>;
}

/**
 * After an upload failed the writer is broken for good: blobs that were answered as saved are not in the store, and a
 * snapshot that needs them must never be written.
 */
export function createBlobWriter(vault: Vault, catalog: Catalog): BlobWriter {
  const stopping = new AbortController();
  const open: Record<BlobType, PackBuilder> = { data: newBuilder(), tree: newBuilder() };
  /** Blobs that are in no stored pack yet. */
  const pending = new Set<string>();
  const tasks = new Set<Promise<void>>();
  const uploading = new Set<Pack>();
  let unindexed: PackEntry[] = [];
  let failure: { readonly error: unknown } | undefined;

  function newBuilder(): PackBuilder {
    return createPackBuilder(vault.sealer, vault.version);
  }

  const start = (work: () => Promise<void>): void => {
    const task = work()
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => tasks.delete(task));
    tasks.add(task);
  };

  const upload = async (pack: Pack): Promise<void> => {
    await vault.store.put(packKey(pack.id), pack.body, { signal: stopping.signal });
    // The entry alone: keeping the pack would keep its body.
    const entry = { id: pack.id, blobs: pack.blobs };
    await catalog.addUploaded(entry, stopping.signal);
    for (const blob of pack.blobs) pending.delete(keyOf(blob.type, blob.id));
    unindexed.push(entry);
    const count = unindexed.reduce((sum, { blobs }) => sum + blobs.length, 0);
    if (count >= INDEX_BLOBS_MAX) await writeIndexes();
  };

  const writeIndexes = async (): Promise<void> => {
    const packs = unindexed;
    unindexed = [];
    for (const file of inIndexFiles(packs)) {
      catalog.setIndexed(file, await saveFile(vault, 'index', encodeIndex(file), stopping.signal));
    }
  };

  const closePack = (type: BlobType): void => {
    if (open[type].blobCount === 0) return;
    const pack = open[type].finish();
    open[type] = newBuilder();
    uploading.add(pack);
    start(async () => {
      try {
        await upload(pack);
      } finally {
        uploading.delete(pack);
      }
    });
  };

  const checkUsable = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (failure !== undefined) throw failure.error;
    if (stopping.signal.aborted) throw new SalvorError('The repository is closed', { code: 'Internal' });
  };

  const known = (type: BlobType, id: BlobId): SavedBlob | undefined =>
    catalog.has(type, id) || pending.has(keyOf(type, id)) ? { id, isNew: false, storedBytes: 0 } : undefined;

  return {
    async saveBlob(type, bytes, signal) {
      checkUsable(signal);
      if (bytes.length > blobBytesMax(type)) {
        throw new SalvorError(`A ${type} blob of ${bytes.length} bytes is too large`, { code: 'InvalidInput' });
      }
      const early = known(type, blobId(bytes));
      if (early !== undefined) return early;
      while (uploading.size >= UPLOADS_MAX) {
        await interruptible(Promise.race(tasks), signal);
        checkUsable(signal);
      }
      // Hash, compress and seal in one go without a pause: whatever happens to the buffer meanwhile, a blob is what its id says.
      const id = blobId(bytes);
      const late = known(type, id);
      if (late !== undefined) return late;
      const storedBytes = open[type].add(type, id, bytes);
      pending.add(keyOf(type, id));
      if (open[type].isFull) closePack(type);
      return { id, isNew: true, storedBytes };
    },
    async flush(signal) {
      checkUsable(signal);
      closePack('data');
      closePack('tree');
      await interruptible(Promise.all(tasks), signal);
      checkUsable(signal);
      start(writeIndexes);
      await interruptible(Promise.all(tasks), signal);
      checkUsable(signal);
    },
    async stop() {
      stopping.abort();
      await Promise.all(tasks);
    },
  };
}

function keyOf(type: BlobType, id: BlobId): string {
  return `${type} ${id}`;
}

/** Waits for the work, or stops waiting when the signal aborts; the work goes on. */
async function interruptible(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await work;
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  work.then(() => resolve(), reject);
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
