import { listFiles, saveFile } from '../files.ts';
import type { Vault } from '../files.ts';
import { packsOf } from '../index-batch.ts';
import { encodeIndex, loadIndexFile } from '../index-file.ts';
import type { Marks } from '../index-file.ts';
import { INDEX_BLOBS_MAX } from '../limits.ts';
import type { PackEntry } from '../pack.ts';

/** An index file, taken apart. */
export interface IndexFile {
  readonly id: string;
  /** Packs it lists and does not mark. */
  readonly live: readonly PackEntry[];
  /** Packs it marks for deletion, whether it lists them as well or not. */
  readonly marks: Marks | undefined;
}

/** The ids of all index files, sorted, with the time of their writing by the store's clock, if it tells. */
export async function listIndexFiles(vault: Vault, signal?: AbortSignal): Promise<Map<string, number | undefined>> {
  const files = await listFiles(vault, 'index', signal);
  return new Map(files.map(({ key, modifiedMs }) => [key, modifiedMs] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export async function readIndexFile(vault: Vault, id: string, signal?: AbortSignal): Promise<IndexFile> {
  using file = await loadIndexFile(vault, id, signal);
  return { id, marks: file.marks, live: [...packsOf(file)] };
}

/** The files one after the other: one of them takes up to 100 MB while it is decoded. */
export async function* readIndexFiles(
  vault: Vault,
  ids: Iterable<string>,
  signal?: AbortSignal,
): AsyncIterable<IndexFile> {
  for (const id of ids) yield await readIndexFile(vault, id, signal);
}

/** Writes packs into as few index files as the format allows. */
export interface IndexWriter {
  add(pack: PackEntry): Promise<void>;
  /** Writes the rest; answers the ids of all files. */
  finish(): Promise<string[]>;
}

export function createIndexWriter(vault: Vault, signal?: AbortSignal): IndexWriter {
  const written: string[] = [];
  let packs: PackEntry[] = [];
  let blobCount = 0;
  const write = async (): Promise<void> => {
    if (packs.length === 0) return;
    written.push(await saveFile(vault, 'index', encodeIndex(packs), signal));
    packs = [];
    blobCount = 0;
  };
  return {
    async add(pack) {
      if (packs.length > 0 && blobCount + pack.blobs.length > INDEX_BLOBS_MAX) await write();
      packs.push(pack);
      blobCount += pack.blobs.length;
    },
    async finish() {
      await write();
      return written;
    },
  };
}
