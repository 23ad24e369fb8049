import { mapLimit } from '#shared/async';
import type { BlobPlace } from '../blob-index.ts';
import { isDamage } from '../blob-reader.ts';
import type { PackWriter } from '../care/pack-writer.ts';
import { options } from '../files.ts';
import type { Vault } from '../files.ts';
import { openBlobInto, packKey } from '../pack.ts';
import type { BlobEntry } from '../pack.ts';
import { packRanges } from '../pack-ranges.ts';
import type { PackRange } from '../pack-ranges.ts';
import type { BlobSource } from '../types.ts';
import { compress } from '../zstd.ts';

/** Ranges that are read at a time: with the packs that are filled and written, this bounds memory to about 150 MB. */
const READS_MAX = 4;

const MiB = 1024 * 1024;
const bounds = { gapBytesMax: MiB / 4, rangeBytesMax: 8 * MiB };

export interface Transfer {
  readonly from: Vault;
  readonly to: Vault;
  /** For blobs that are damaged where they were looked for: finds other copies of them. */
  readonly source: Pick<BlobSource, 'loadBlob'>;
  readonly writer: Pick<PackWriter, 'add'>;
  readonly onBlob: (blob: BlobEntry) => void;
  /** It is in no pack of the source as what it should be. */
  readonly onDamage: (blob: BlobEntry) => void;
  readonly signal: AbortSignal;
}

/** The parts of packs that are read for these blobs: what lies together is read together. */
export function rangesOf(places: Iterable<BlobPlace>): PackRange<BlobPlace>[] {
  return packRanges(places, bounds);
}

/** Copies blobs, each verified by its hash, and sealed with the other key. What is compressed is not compressed again. */
export async function transferRanges(ranges: readonly PackRange<BlobPlace>[], transfer: Transfer): Promise<void> {
  await mapLimit(
    ranges,
    READS_MAX,
    async (range, signal) => copyRange(range, { ...transfer, signal }),
    transfer.signal,
  );
}

async function copyRange(range: PackRange<BlobPlace>, transfer: Transfer): Promise<void> {
  const { from, signal } = transfer;
  const bytes = await from.store
    .get(packKey(range.packId), { offset: range.offset, length: range.length, ...options(signal) })
    .catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      return Buffer.alloc(0);
    });
  for (const place of range.wanted) {
    const start = place.offset - range.offset;
    await copyBlob(place, bytes.subarray(start, start + place.length), transfer);
  }
}

async function copyBlob(place: BlobPlace, sealed: Buffer, transfer: Transfer): Promise<void> {
  const content = await readContent(place, sealed, transfer);
  if (content === undefined) return;
  const sealedAnew = transfer.to.sealer.seal(content.bytes);
  const { type, id } = place;
  const { uncompressedLength } = content;
  const entry: BlobEntry = { type, id, offset: 0, length: sealedAnew.length, uncompressedLength };
  await transfer.writer.add(entry, sealedAnew);
  transfer.onBlob(entry);
}

/** What is sealed: a blob's plain bytes, or a frame of `uncompressedLength` of them. */
interface Content {
  readonly bytes: Uint8Array;
  /** 0 if it is not compressed. */
  readonly uncompressedLength: number;
}

/** Undefined, and told to `onDamage`, if no pack has the blob as what it should be. */
async function readContent(place: BlobPlace, sealed: Buffer, transfer: Transfer): Promise<Content | undefined> {
  const { source, to, signal } = transfer;
  try {
    return openContent(place, sealed, transfer);
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  try {
    return compressed(await source.loadBlob(place.type, place.id, signal), to.version);
  } catch (error) {
    if (!isDamage(error)) throw error;
    transfer.onDamage(place);
    return undefined;
  }
}

function openContent(place: BlobPlace, sealed: Buffer, { from, to }: Transfer): Content {
  const { uncompressedLength } = place;
  let frame: Buffer = sealed;
  const open = (bytes: Uint8Array, what: string): Buffer => (frame = from.sealer.open(bytes, what));
  const plain = openBlobInto(Buffer.allocUnsafe(uncompressedLength), sealed, { blob: place, sealer: { open } });
  if (uncompressedLength > 0 && to.version === 2) return { bytes: frame, uncompressedLength };
  // What a repository of version 2 holds plainly does not get smaller.
  return from.version === 2 ? { bytes: plain, uncompressedLength: 0 } : compressed(plain, to.version);
}

function compressed(plain: Buffer, version: 1 | 2): Content {
  const frame = version === 1 ? plain : compress(plain);
  return frame.length < plain.length
    ? { bytes: frame, uncompressedLength: plain.length }
    : { bytes: plain, uncompressedLength: 0 };
}
