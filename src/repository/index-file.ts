import {
  asArray,
  asCount,
  asObject,
  asString,
  asStrings,
  asUint32,
  optional,
  parseObject,
  required,
  within,
} from './fields.ts';
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
  return JSON.stringify({ packs: packs.map(packFields) });
}

function packFields(pack: PackEntry): object {
  return {
    id: pack.id,
    blobs: pack.blobs.map(({ id, type, offset, length, uncompressedLength }) => ({
      id,
      type,
      offset,
      length,
      ...(uncompressedLength === 0 ? {} : { uncompressed_length: uncompressedLength }),
    })),
  };
}

/**
 * Packs that a prune is about to delete, as an index file lists them in `packs_to_delete`: rustic's field, which restic
 * passes over. What is listed there cannot be relied on by anything new, but may still be read.
 */
export interface Marks {
  readonly packs: readonly PackEntry[];
  /**
   * Who was at work when the marking was finished, and may have relied on these packs before: holders of locks
   * (lock-file.ts). Undefined if that was not written down (yet, or by another program).
   */
  readonly writers?: readonly string[] | undefined;
  /** RFC 3339: for rustic, which deletes after a time. */
  readonly time: string;
}

/**
 * The JSON of an index file of marked packs. `listed`: they are in `packs` as well, so that who does not know
 * the field, restic above all, can read them to the last moment.
 */
export function encodeMarks(marks: Marks, listed: readonly PackEntry[]): string {
  return JSON.stringify({
    packs: listed.map(packFields),
    packs_to_delete: marks.packs.map((pack) => ({ ...packFields(pack), time: marks.time })),
    ...(marks.writers === undefined ? {} : { salvor: { writers: marks.writers } }),
  });
}

/** What an index file marks for deletion; undefined if nothing. `what` names the file in errors. */
export function decodeMarks(fields: Fields, what: string): Marks | undefined {
  return within(what, () => {
    const listed = optional(fields, 'packs_to_delete', asArray) ?? [];
    if (listed.length === 0) return undefined;
    const packs = listed.map((pack) => asObject(pack, 'A pack'));
    const ours = optional(fields, 'salvor', asObject);
    return {
      packs: packs.map(decodePack),
      writers: ours === undefined ? undefined : optional(ours, 'writers', asStrings),
      time: packs.map((pack) => optional(pack, 'time', asString) ?? '').sort()[0] ?? '',
    };
  });
}

/**
 * The packs an index file lists, also those it marks for deletion as well (`decodeMarks`). `supersedes` is not needed:
 * restic deletes what it replaces, and two indexes that list the same pack agree. `what` names the file in errors.
 */
export function decodeIndex(fields: Fields, what: string): PackEntry[] {
  return within(what, () =>
    (optional(fields, 'packs', asArray) ?? []).map((pack) => decodePack(asObject(pack, 'A pack'))),
  );
}

/** What an index file lists and does not mark; its memory is given back when it is disposed. */
export interface LoadedIndex extends IndexBatch, Disposable {
  readonly marks: Marks | undefined;
}

/** Reads an index file: what it lists, without an object for each blob. Throws `StoreObjectMissing` if it is gone. */
export async function loadIndexFile(vault: Vault, id: string, signal?: AbortSignal): Promise<LoadedIndex> {
  const text = await loadText(vault, 'index', id, signal);
  const scanned = scanIndex(text);
  const { batch, marks } =
    scanned === undefined ? readGeneral(text, `The file index/${id}`) : { batch: scanned, marks: undefined };
  releaseMemory(text);
  return {
    ...batch,
    marks,
    [Symbol.dispose]() {
      releaseMemory(batch.records);
      releaseMemory(batch.packIds);
    },
  };
}

interface General {
  readonly batch: IndexBatch;
  readonly marks: Marks | undefined;
}

/** Of a file in any form: the quick scanner knows no marks, so all files with marks come here. */
function readGeneral(text: Buffer, what: string): General {
  const fields = parseObject(text, what);
  const marks = decodeMarks(fields, what);
  const isMarked = new Set(marks?.packs.map((pack) => pack.id));
  return { batch: toBatch(decodeIndex(fields, what).filter((pack) => !isMarked.has(pack.id))), marks };
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
