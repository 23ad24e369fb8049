import type { BlobEntry } from './pack.ts';
import type { BlobId, BlobType } from './types.ts';

/**
 * A blob as the index holds it: twelve words of 32 bits, in the machine's byte order. Eight are the id's bytes as they
 * are; then the number of its pack, the offset in it with the type in the top bit, the length, and the plain length.
 */
export const RECORD_WORDS = 12;
export const RECORD_BYTES = RECORD_WORDS * 4;
export const ID_WORDS = 8;
export const ID_BYTES = ID_WORDS * 4;

/** Places of the words after the id. */
export const PACK_WORD = 8;
export const OFFSET_WORD = 9;
export const LENGTH_WORD = 10;
export const UNCOMPRESSED_WORD = 11;

/** Packs have at most 2^29 bytes, so that offsets leave this bit free: set for trees. */
export const TREE_BIT = 0x8000_0000;

/**
 * Where in a table a blob belongs: 32 bits mixed from the whole id. Ids in an index file are claims, not verified hashes:
 * with the seed unknown nobody can write ids that all fall on one place, which would make loading quadratic.
 */
export function hashId(words: Uint32Array, at: number, seed: number): number {
  let hash = seed;
  for (let word = at; word < at + ID_WORDS; word++) {
    hash = Math.imul(hash ^ (words[word] ?? 0), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** Whether the ids at these words are equal. The words that differ are most likely the first. */
export function isSameId(left: Uint32Array, at: number, right: Uint32Array, from: number): boolean {
  for (let word = 0; word < ID_WORDS; word++) if (left[at + word] !== right[from + word]) return false;
  return true;
}

/** Whether two records are of the same blob: id and type. */
export function isSameBlob(left: Uint32Array, at: number, right: Uint32Array, from: number): boolean {
  if (!isSameId(left, at, right, from)) return false;
  return (((left[at + OFFSET_WORD] ?? 0) ^ (right[from + OFFSET_WORD] ?? 0)) & TREE_BIT) === 0;
}

export function copyRecord(source: Uint32Array, from: number, target: Uint32Array, to: number): void {
  for (let word = 0; word < RECORD_WORDS; word++) target[to + word] = source[from + word] ?? 0;
}

/** Writes a record at this row; `bytes` is the memory of `words`. */
export function writeRecord(words: Uint32Array, bytes: Buffer, row: number, blob: BlobEntry & { pack: number }): void {
  const at = row * RECORD_WORDS;
  bytes.write(blob.id, row * RECORD_BYTES, 'hex');
  words[at + PACK_WORD] = blob.pack;
  words[at + OFFSET_WORD] = blob.offset | (blob.type === 'tree' ? TREE_BIT : 0);
  words[at + LENGTH_WORD] = blob.length;
  words[at + UNCOMPRESSED_WORD] = blob.uncompressedLength;
}

/** The entry of the record at this word. */
export function readRecord(words: Uint32Array, at: number): BlobEntry {
  const offset = words[at + OFFSET_WORD] ?? 0;
  return {
    type: typeOf(offset),
    id: hexAt(words, at) as BlobId,
    offset: (offset & ~TREE_BIT) >>> 0,
    length: words[at + LENGTH_WORD] ?? 0,
    uncompressedLength: words[at + UNCOMPRESSED_WORD] ?? 0,
  };
}

function typeOf(offset: number): BlobType {
  return (offset & TREE_BIT) === 0 ? 'data' : 'tree';
}

/** 64 hex digits of the id at this word. */
export function hexAt(words: Uint32Array, at: number): string {
  return bytesOf(words, at, ID_WORDS).toString('hex');
}

/** The memory of these words as bytes. */
export function bytesOf(words: Uint32Array, at = 0, count = words.length - at): Buffer {
  return Buffer.from(words.buffer, words.byteOffset + at * 4, count * 4);
}
