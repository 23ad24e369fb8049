import { asArray, asCount, asObject, asString, asUint32, optional, parseObject, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { corrupt } from './corrupt.ts';
import { loadText } from './files.ts';
import type { Vault } from './files.ts';
import { toBlobId } from './ids.ts';
import { toBatch } from './index-batch.ts';
import type { IndexBatch } from './index-batch.ts';
import { scanIndex } from './index-scanner.ts';
import { INDEX_BLOBS_MAX, PACK_BYTES_MAX } from './limits.ts';
import { checkEntry } from './pack.ts';
import type { BlobEntry, PackEntry } from './pack.ts';
import { releaseMemory } from './release-memory.ts';
import type { BlobType } from './types.ts';

/** The JSON of one index file. */
export function encodeIndex(packs: readonly PackEntry[]): string {
  return JSON.stringify({
    packs: packs.map((pack) => ({
      id: pack.id,
      blobs: pack.blobs.map(({ id, type, offset, length, uncompressedLength }) => ({
        id,
        type,
        offset,
        length,
        ...(uncompressedLength === 0 ? {} : { uncompressed_length: uncompressedLength }),
      })),
    })),
  });
}

/**
 * The packs an index file lists. `supersedes` is not needed: restic deletes what it replaces, and two indexes that
 * list the same pack agree. `what` names the file in errors.
 */
export function decodeIndex(fields: Fields, what: string): PackEntry[] {
  return within(what, () =>
    (optional(fields, 'packs', asArray) ?? []).map((pack) => decodePack(asObject(pack, 'A pack'))),
  );
}

/** What an index file lists; its memory is given back when it is disposed. */
export type LoadedIndex = IndexBatch & Disposable;

/** Reads an index file: what it lists, without an object for each blob. Throws `StoreObjectMissing` if it is gone. */
export async function loadIndexFile(vault: Vault, id: string, signal?: AbortSignal): Promise<LoadedIndex> {
  const what = `The file index/${id}`;
  const text = await loadText(vault, 'index', id, signal);
  const batch = scanIndex(text) ?? toBatch(decodeIndex(parseObject(text, what), what));
  releaseMemory(text);
  return {
    ...batch,
    [Symbol.dispose]() {
      releaseMemory(batch.records);
      releaseMemory(batch.packIds);
    },
  };
}

/** Cuts packs into index files of bounded size; a pack is never divided. */
export function* inIndexFiles(packs: readonly PackEntry[]): Iterable<PackEntry[]> {
  let file: PackEntry[] = [];
  let count = 0;
  for (const pack of packs) {
    if (file.length > 0 && count + pack.blobs.length > INDEX_BLOBS_MAX) {
      yield file;
      file = [];
      count = 0;
    }
    file.push(pack);
    count += pack.blobs.length;
  }
  if (file.length > 0) yield file;
}

function decodePack(fields: Fields): PackEntry {
  const id = required(fields, 'id', toBlobId);
  const blobs = (optional(fields, 'blobs', asArray) ?? []).map((blob) => decodeEntry(asObject(blob, 'A blob')));
  for (const blob of blobs) checkPlace(blob, `The pack ${id}`);
  return { id, blobs };
}

function decodeEntry(fields: Fields): BlobEntry {
  return {
    type: required(fields, 'type', asBlobType),
    id: required(fields, 'id', toBlobId),
    offset: required(fields, 'offset', asUint32),
    length: required(fields, 'length', asUint32),
    uncompressedLength: optional(fields, 'uncompressed_length', asCount) ?? 0,
  };
}

function checkPlace(blob: BlobEntry, what: string): void {
  checkEntry(blob, what);
  if (blob.offset + blob.length > PACK_BYTES_MAX) throw corrupt(`${what} has the blob ${blob.id} beyond its end`);
}

function asBlobType(value: unknown, what: string): BlobType {
  const type = asString(value, what);
  if (type === 'data' || type === 'tree') return type;
  throw corrupt(`A blob has the unknown type ${JSON.stringify(type.slice(0, 40))}`);
}
