import { isDamage } from './blob-reader.ts';
import { createIdSet } from './care/id-set.ts';
import type { IdSet } from './care/id-set.ts';
import { listFiles, loadFile } from './files.ts';
import type { Vault } from './files.ts';
import { decodeIndex, decodeMarks } from './index-file.ts';
import type { PackEntry } from './pack.ts';

export interface SuspectsRequest {
  readonly vault: Vault;
  /** Whether an index relies on the pack. */
  readonly isExpected: (packId: string) => boolean;
  readonly isDamaged: (packId: string) => boolean;
  readonly signal: AbortSignal | undefined;
}

/** Data blobs that only damaged packs hold. An index in memory keeps one place of each blob, so the files are read again. */
export async function findSuspects(request: SuspectsRequest): Promise<IdSet> {
  const suspects = createIdSet();
  for await (const { id: packId, blobs } of packsOf(request)) {
    if (!request.isDamaged(packId)) continue;
    for (const { type, id } of blobs) if (type === 'data') suspects.add(id);
  }
  if (suspects.size === 0) return suspects;
  for await (const { id: packId, blobs } of packsOf(request)) {
    if (request.isDamaged(packId)) continue;
    for (const { type, id } of blobs) if (type === 'data') suspects.take(id);
  }
  return suspects;
}

/** What the indexes list; those that cannot be read were reported before. */
async function* packsOf({ vault, isExpected, signal }: SuspectsRequest): AsyncIterable<PackEntry> {
  for (const { key: id } of await listFiles(vault, 'index', signal)) {
    const packs = await readIndex(vault, id, signal).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      return [];
    });
    yield* packs.filter((pack) => isExpected(pack.id));
  }
}

async function readIndex(vault: Vault, id: string, signal: AbortSignal | undefined): Promise<PackEntry[]> {
  const what = `index/${id}`;
  const fields = await loadFile(vault, 'index', id, signal);
  return [...decodeIndex(fields, what), ...(decodeMarks(fields, what)?.packs ?? [])];
}
