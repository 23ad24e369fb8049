import { mapLimit } from '#shared/async';
import { options, saveFile } from '../files.ts';
import type { Vault } from '../files.ts';
import { encodeMarks, inIndexFiles } from '../index-file.ts';
import type { Marks } from '../index-file.ts';
import { INDEX_BLOBS_MAX } from '../limits.ts';
import type { PackEntry } from '../pack.ts';
import { createIndexWriter, readIndexFiles } from './index-files.ts';
import type { IndexFileSize } from './survey.ts';

/** Files with less than this are merged, when there are more than a few of them: each costs a request at every opening. */
const SMALL_FILE_BLOBS = INDEX_BLOBS_MAX / 4;
const SMALL_FILES_MAX = 3;

const DELETES_MAX = 8;

export interface Rewrite {
  readonly vault: Vault;
  readonly indexFiles: readonly IndexFileSize[];
  /** Index files with marks that are replaced as a whole. */
  readonly markFiles: ReadonlySet<string>;
  /** Packs that no file is to list any more as one that can be relied on. */
  readonly drop: ReadonlySet<string>;
  /** Packs to list that no file lists, or only with a mark. */
  readonly add: readonly PackEntry[];
  readonly signal?: AbortSignal | undefined;
}

export interface Rewritten {
  /** The dropped packs, as they were listed. */
  readonly dropped: readonly PackEntry[];
  /** Files that must be deleted once everything that takes their place is written. */
  readonly replaced: readonly string[];
  readonly written: readonly string[];
}

/** Writes what takes the place of index files that list packs to drop, of marks, and of many small files. Deletes nothing. */
export async function rewriteIndexes({ vault, indexFiles, markFiles, drop, add, signal }: Rewrite): Promise<Rewritten> {
  const small = indexFiles.filter(({ blobs, hasMarks }) => blobs < SMALL_FILE_BLOBS && !hasMarks).map(({ id }) => id);
  const merged = new Set(small.length > SMALL_FILES_MAX ? small : []);
  const writer = createIndexWriter(vault, signal);
  const dropped = new Map<string, PackEntry>();
  const listed = new Set<string>();
  const replaced: string[] = [];
  for (const pack of add) await writer.add(pack);
  const files = indexFiles.map(({ id }) => id);
  for await (const file of readIndexFiles(vault, files, signal)) {
    const isReplaced = merged.has(file.id) || markFiles.has(file.id) || file.live.some(({ id }) => drop.has(id));
    if (!isReplaced) continue;
    replaced.push(file.id);
    for (const pack of file.live) {
      if (drop.has(pack.id)) dropped.set(pack.id, pack);
      else if (!listed.has(pack.id)) await writer.add(pack);
      listed.add(pack.id);
    }
  }
  return { dropped: [...dropped.values()], replaced, written: await writer.finish() };
}

/** Writes marks; answers the files. `listed`: see `encodeMarks`. */
export async function writeMarks(
  vault: Vault,
  marks: Marks,
  listed: 'listed' | 'not listed',
  signal?: AbortSignal,
): Promise<string[]> {
  const written: string[] = [];
  for (const packs of inIndexFiles(marks.packs)) {
    const shown = listed === 'listed' ? packs.filter((pack) => pack.blobs.length > 0) : [];
    written.push(await saveFile(vault, 'index', encodeMarks({ ...marks, packs }, shown), signal));
  }
  return written;
}

/** Deletes objects, several at a time. */
export async function deleteAll(vault: Vault, keys: readonly string[], signal?: AbortSignal): Promise<void> {
  await mapLimit(keys, DELETES_MAX, async (key, both) => vault.store.delete(key, options(both)), signal);
}
