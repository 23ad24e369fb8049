import { corrupt } from './corrupt.ts';
import { blobId, fileId } from './ids.ts';
import {
  BLOB_BYTES_MAX,
  CHUNK_BYTES_MAX,
  DATA_BLOB_BYTES_MAX,
  HEADER_BYTES_MAX,
  PACK_BLOBS_MAX,
  PACK_BYTES_TARGET,
} from './limits.ts';
import { NONCE_BYTES, SEAL_BYTES } from './seal.ts';
import type { Sealer } from './seal.ts';
import type { BlobId, BlobType } from './types.ts';
import { compressInto, decompressInto } from './zstd.ts';

/** Where a blob lies in its pack. */
export interface BlobEntry {
  readonly type: BlobType;
  readonly id: BlobId;
  readonly offset: number;
  /** Bytes in the pack, sealed. */
  readonly length: number;
  /** Plain bytes of a compressed blob; 0 for one that is not compressed. */
  readonly uncompressedLength: number;
}

export interface PackEntry {
  readonly id: string;
  readonly blobs: readonly BlobEntry[];
}

/** A finished pack, ready for the store. */
export interface Pack extends PackEntry {
  readonly body: Buffer;
}

export interface PackBuilder {
  readonly blobCount: number;
  readonly isFull: boolean;
  /** Consumes the plain bytes before it returns; answers the bytes they take in the pack. */
  add(type: BlobType, id: BlobId, plain: Uint8Array): number;
  finish(): Pack;
}

/** Key of a pack in the store. */
export function packKey(id: string): string {
  return `data/${id.slice(0, 2)}/${id}`;
}

const LENGTH_BYTES = 4;
const PLAIN_ENTRY_BYTES = 1 + 4 + 32;
const COMPRESSED_ENTRY_BYTES = 1 + 4 + 4 + 32;
/** Sealed header and its length. */
const PACK_TAIL_BYTES_MAX = PACK_BLOBS_MAX * COMPRESSED_ENTRY_BYTES + SEAL_BYTES + LENGTH_BYTES;
const COMPRESSED_BIT = 0b10;
const TREE_BIT = 0b01;

/** Memory in which every pack of chunks finds place: one that is just not full, the largest chunk, and the tail. */
export const PACK_MEMORY_BYTES = PACK_BYTES_TARGET + CHUNK_BYTES_MAX + SEAL_BYTES + PACK_TAIL_BYTES_MAX;

/** Collects sealed blobs in memory that is given to it. Version 1 of the format has no compression. */
export function createPackBuilder(sealer: Sealer, version: 1 | 2, memory: Buffer): PackBuilder {
  let buffer = memory;
  let filled = 0;
  const blobs: BlobEntry[] = [];

  /** Trees of huge directories are larger than the memory for a pack: such a pack gets its own. */
  const reserve = (bytes: number): void => {
    if (filled + bytes <= buffer.length) return;
    const larger = Buffer.from(new SharedArrayBuffer(filled + bytes + PACK_TAIL_BYTES_MAX));
    buffer.copy(larger, 0, 0, filled);
    buffer = larger;
  };

  const append = (plain: Uint8Array): number => {
    reserve(plain.length + SEAL_BYTES);
    const length = sealer.sealInto(buffer, filled, plain);
    filled += length;
    return length;
  };

  return {
    get blobCount() {
      return blobs.length;
    },
    get isFull() {
      return filled >= PACK_BYTES_TARGET || blobs.length >= PACK_BLOBS_MAX;
    },
    add(type, id, plain) {
      reserve(plain.length + SEAL_BYTES);
      // Compressed to where it will be encrypted in place. It must come out smaller, or it is stored as it is.
      const place = buffer.subarray(filled + NONCE_BYTES, filled + NONCE_BYTES + Math.max(0, plain.length - 1));
      const compressed = version === 1 ? undefined : compressInto(place, plain);
      const offset = filled;
      const length = append(compressed === undefined ? plain : place.subarray(0, compressed));
      blobs.push({ type, id, offset, length, uncompressedLength: compressed === undefined ? 0 : plain.length });
      return length;
    },
    finish() {
      const headerLength = append(encodeHeader(blobs));
      reserve(LENGTH_BYTES);
      buffer.writeUInt32LE(headerLength, filled);
      const body = buffer.subarray(0, filled + LENGTH_BYTES);
      return { id: fileId(body), blobs, body };
    },
  };
}

/** Plain bytes of a blob, as the index says: opening it verifies them by the hash. */
export function plainBytes(blob: Pick<BlobEntry, 'length' | 'uncompressedLength'>): number {
  return blob.uncompressedLength > 0 ? blob.uncompressedLength : blob.length - SEAL_BYTES;
}

/** How large a pack with these blobs is: blobs, sealed header, its length. */
export function packBytes(blobs: readonly BlobEntry[]): number {
  return blobs.reduce((sum, blob) => sum + blob.length + entryBytes(blob), SEAL_BYTES + LENGTH_BYTES);
}

function entryBytes(blob: BlobEntry): number {
  return blob.uncompressedLength > 0 ? COMPRESSED_ENTRY_BYTES : PLAIN_ENTRY_BYTES;
}

/** The header's plain bytes: one entry per blob, in the order of the pack. */
export function encodeHeader(blobs: readonly BlobEntry[]): Buffer {
  const entries = blobs.map((blob) => {
    const isCompressed = blob.uncompressedLength > 0;
    const entry = Buffer.allocUnsafe(entryBytes(blob));
    let at = entry.writeUInt8((blob.type === 'tree' ? TREE_BIT : 0) | (isCompressed ? COMPRESSED_BIT : 0), 0);
    at = entry.writeUInt32LE(blob.length, at);
    if (isCompressed) at = entry.writeUInt32LE(blob.uncompressedLength, at);
    entry.write(blob.id, at, 'hex');
    return entry;
  });
  return Buffer.concat(entries);
}

/** The entries of a header; `what` names the pack in errors. */
export function decodeHeader(header: Buffer, what: string): BlobEntry[] {
  const blobs: BlobEntry[] = [];
  let offset = 0;
  for (let at = 0; at < header.length;) {
    const kind = header.readUInt8(at);
    if (kind > (COMPRESSED_BIT | TREE_BIT)) throw corrupt(`${what} has a blob of the unknown kind ${kind}`);
    const isCompressed = (kind & COMPRESSED_BIT) !== 0;
    const end = at + (isCompressed ? COMPRESSED_ENTRY_BYTES : PLAIN_ENTRY_BYTES);
    if (end > header.length) throw corrupt(`${what} has a header that ends within an entry`);
    const length = header.readUInt32LE(at + 1);
    blobs.push({
      type: (kind & TREE_BIT) === 0 ? 'data' : 'tree',
      id: header.toString('hex', end - 32, end) as BlobId,
      offset,
      length,
      uncompressedLength: isCompressed ? header.readUInt32LE(at + 5) : 0,
    });
    offset += length;
    at = end;
  }
  for (const blob of blobs) checkEntry(blob, what);
  return blobs;
}

/** The entries of a whole pack, from its own header; verifies the header and that the blobs fill the pack. */
export function readHeader(pack: Buffer, sealer: Sealer, what: string): BlobEntry[] {
  if (pack.length < LENGTH_BYTES) throw corrupt(`${what} is too short`);
  const headerLength = pack.readUInt32LE(pack.length - LENGTH_BYTES);
  const start = pack.length - LENGTH_BYTES - headerLength;
  if (start < 0 || headerLength > HEADER_BYTES_MAX) throw corrupt(`${what} has a header of the wrong length`);
  const header = sealer.open(pack.subarray(start, pack.length - LENGTH_BYTES), `The header of ${what}`);
  const blobs = decodeHeader(header, what);
  const last = blobs.at(-1);
  const end = last === undefined ? 0 : last.offset + last.length;
  if (end !== start) throw corrupt(`${what} has blobs of ${end} bytes where ${start} are described`);
  return blobs;
}

/** The plain bytes of a blob as it lies in the pack; verifies MAC, length and hash. */
export function openBlob(sealed: Uint8Array, blob: BlobEntry, sealer: Sealer): Buffer {
  return openBlobInto(Buffer.allocUnsafe(blob.uncompressedLength), sealed, { blob, sealer });
}

/** The same, in the given memory if the blob is compressed; it has room for `uncompressedLength` bytes. */
export function openBlobInto(
  memory: Buffer,
  sealed: Uint8Array,
  { blob, sealer }: { readonly blob: BlobEntry; readonly sealer: Pick<Sealer, 'open'> },
): Buffer {
  const what = `The ${blob.type} blob ${blob.id}`;
  const opened = sealer.open(sealed, what);
  const isCompressed = blob.uncompressedLength > 0;
  const room = memory.subarray(0, blob.uncompressedLength);
  const plain = isCompressed ? room.subarray(0, decompressInto(room, opened, what)) : opened;
  if (blobId(plain) !== blob.id) throw corrupt(`${what} is damaged: its hash is not its id`);
  if (plain.length !== plainBytes(blob)) throw corrupt(`${what} has ${plain.length} bytes, its index says otherwise`);
  return plain;
}

/** Refuses entries that cannot be: shorter than the seal, larger than a blob can be. */
export function checkEntry(blob: BlobEntry, what: string): void {
  const bytesMax = blobBytesMax(blob.type);
  if (blob.length >= SEAL_BYTES && blob.length <= bytesMax + SEAL_BYTES && blob.uncompressedLength <= bytesMax) return;
  throw corrupt(`${what} has a blob ${blob.id} of impossible size: ${blob.length}, ${blob.uncompressedLength} bytes`);
}

/** Plain bytes that a blob may have. */
export function blobBytesMax(type: BlobType): number {
  return type === 'data' ? DATA_BLOB_BYTES_MAX : BLOB_BYTES_MAX;
}
