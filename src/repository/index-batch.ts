import { bytesOf, hexAt, ID_BYTES, ID_WORDS, PACK_WORD, readRecord, RECORD_WORDS, writeRecord } from './blob-record.ts';
import type { BlobEntry, PackEntry } from './pack.ts';

/** Packs and their blobs without an object for each: 32 bytes a pack and 48 a blob. What an index file lists. */
export interface IndexBatch {
  readonly packCount: number;
  /** Eight words each: the bytes of the id as they are. */
  readonly packIds: Uint32Array;
  readonly blobCount: number;
  /** Records whose pack number is the pack's place in this batch; the blobs of a pack follow each other. */
  readonly records: Uint32Array;
}

/** The same packs as a batch. */
export function toBatch(packs: readonly PackEntry[]): IndexBatch {
  const blobCount = packs.reduce((sum, { blobs }) => sum + blobs.length, 0);
  const records = new Uint32Array(blobCount * RECORD_WORDS);
  const bytes = bytesOf(records);
  const packIds = new Uint32Array(packs.length * ID_WORDS);
  const packIdBytes = bytesOf(packIds);
  let row = 0;
  for (const [pack, { id, blobs }] of packs.entries()) {
    packIdBytes.write(id, pack * ID_BYTES, 'hex');
    for (const blob of blobs) {
      writeRecord(records, bytes, row++, { ...blob, pack });
    }
  }
  return { packCount: packs.length, packIds, blobCount, records };
}

/** The packs of a batch, one after the other. */
export function* packsOf({ packCount, packIds, blobCount, records }: IndexBatch): Generator<PackEntry, void, void> {
  let row = 0;
  for (let pack = 0; pack < packCount; pack++) {
    const blobs: BlobEntry[] = [];
    for (; row < blobCount && records[row * RECORD_WORDS + PACK_WORD] === pack; row++) {
      blobs.push(readRecord(records, row * RECORD_WORDS));
    }
    yield { id: hexAt(packIds, pack * ID_WORDS), blobs };
  }
}
