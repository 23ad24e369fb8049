import type { Access } from '../care/access.ts';
import { createPackWriter } from '../care/pack-writer.ts';
import type { PackWriter } from '../care/pack-writer.ts';
import type { Catalog } from '../catalog.ts';
import { saveFile } from '../files.ts';
import { encodeIndex, inIndexFiles } from '../index-file.ts';
import { INDEX_AGE_MS_MAX } from '../limits.ts';

/** Packs of blobs that are sealed already, on their way into a repository that others write to as well. */
export interface Target extends Pick<PackWriter, 'add'> {
  /** Stores and lists what was added; the catalog then knows it. */
  flush(): Promise<void>;
  /** The same, if the last time is so long ago that too much would have to be copied again. */
  flushIfOld(): Promise<void>;
}

export function createTarget({ vault, clock }: Access, catalog: Catalog, signal: AbortSignal): Target {
  let writer = createPackWriter(vault, signal);
  let flushedMs = clock.now();

  const flush = async (): Promise<void> => {
    const packs = await writer.finish();
    writer = createPackWriter(vault, signal);
    for (const pack of packs) await catalog.addUploaded(pack, signal);
    for (const file of inIndexFiles(packs)) {
      catalog.setIndexed(file, await saveFile(vault, 'index', encodeIndex(file), signal));
    }
    flushedMs = clock.now();
  };

  return {
    add: async (blob, sealed) => writer.add(blob, sealed),
    flush,
    flushIfOld: async () => {
      if (clock.now() - flushedMs >= INDEX_AGE_MS_MAX) await flush();
    },
  };
}
