import type { Clock } from '#shared/time';
import type { Catalog } from './catalog.ts';
import { saveFile } from './files.ts';
import type { Vault } from './files.ts';
import { encodeIndex, inIndexFiles } from './index-file.ts';
import { interruptible } from './interruptible.ts';
import { INDEX_AGE_MS_MAX, INDEX_BLOBS_MAX } from './limits.ts';
import { packKey } from './pack.ts';
import type { Pack, PackEntry } from './pack.ts';
import { firstWindow, nextWindow } from './upload-window.ts';

/**
 * Brings finished packs to the store, and lists them in index files while a run goes on: what is listed is not uploaded
 * again by the run that follows one that was killed.
 */
export interface PackUploads {
  /** Takes a pack; returns at once. `done` is called when its body is not needed any more. */
  add(pack: Pack, done: () => void): void;
  /** Waits until every pack taken is in the store, and then lists all in index files. */
  settle(signal?: AbortSignal): Promise<void>;
  /** Lists the packs that are in the store, and waits for no other. */
  indexStored(signal?: AbortSignal): Promise<void>;
  /** Ends uploads and waits until they have ended. */
  stop(): Promise<void>;
  /** Aborted with the error when an upload has failed: what was promised since is not in the store. */
  readonly failed: AbortSignal;
}

export interface UploadDeps {
  readonly clock: Pick<Clock, 'now'>;
  /** Uploads at the same time, at most. */
  readonly uploadsMax: number;
}

interface Waiting {
  readonly pack: Pack;
  readonly done: () => void;
}

export function createPackUploads(vault: Vault, catalog: Catalog, deps: UploadDeps): PackUploads {
  const { clock, uploadsMax } = deps;
  const stopping = new AbortController();
  const failure = new AbortController();
  const waiting: Waiting[] = [];
  const tasks = new Set<Promise<void>>();
  let window = firstWindow(uploadsMax);
  let running = 0;
  let unindexed: PackEntry[] = [];
  let unindexedSinceMs = 0;

  const start = (work: () => Promise<void>): void => {
    const task = work()
      .catch((error: unknown) => failure.abort(error))
      .finally(() => tasks.delete(task));
    tasks.add(task);
  };

  const startNext = (): void => {
    while (running < Math.floor(window.size)) {
      const next = waiting.shift();
      if (next === undefined) return;
      running++;
      start(async () => {
        try {
          if (!failure.signal.aborted) await upload(next.pack);
        } finally {
          running--;
          next.done();
          startNext();
        }
      });
    }
  };

  const upload = async (pack: Pack): Promise<void> => {
    const startedMs = clock.now();
    // The id is the hash that S3 signs: it need not be computed again.
    await vault.store.put(packKey(pack.id), pack.body, { sha256: pack.id, signal: stopping.signal });
    window = nextWindow(window, { durationMs: clock.now() - startedMs, bytes: pack.body.length, running, uploadsMax });
    // The entry alone: keeping the pack would keep its body.
    const entry = { id: pack.id, blobs: pack.blobs };
    await catalog.addUploaded(entry, stopping.signal);
    if (unindexed.length === 0) unindexedSinceMs = clock.now();
    unindexed.push(entry);
    const count = unindexed.reduce((sum, { blobs }) => sum + blobs.length, 0);
    if (count >= INDEX_BLOBS_MAX || clock.now() - unindexedSinceMs >= INDEX_AGE_MS_MAX) {
      await writeIndexes(stopping.signal);
    }
  };

  const writeIndexes = async (signal: AbortSignal): Promise<void> => {
    const packs = unindexed;
    unindexed = [];
    let listed = 0;
    try {
      for (const file of inIndexFiles(packs)) {
        catalog.setIndexed(file, await saveFile(vault, 'index', encodeIndex(file), signal));
        listed += file.length;
      }
    } finally {
      // What could not be listed is, by the next one who tries.
      unindexed = [...packs.slice(listed), ...unindexed];
    }
  };

  const settled = async (signal: AbortSignal | undefined): Promise<void> => {
    while (tasks.size > 0) await interruptible(Promise.all(tasks), signal);
    failure.signal.throwIfAborted();
  };

  return {
    failed: failure.signal,
    add(pack, done) {
      waiting.push({ pack, done });
      startNext();
    },
    async settle(signal) {
      await settled(signal);
      start(async () => writeIndexes(stopping.signal));
      await settled(signal);
    },
    async indexStored(signal) {
      failure.signal.throwIfAborted();
      await writeIndexes(AbortSignal.any([stopping.signal, ...(signal === undefined ? [] : [signal])]));
    },
    async stop() {
      stopping.abort();
      while (tasks.size > 0) await Promise.all(tasks);
    },
  };
}
