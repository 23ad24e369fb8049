import * as fc from 'fast-check';
import { blobId } from './ids.ts';
import type { BlobEntry, PackEntry } from './pack.ts';
import type { BlobId } from './types.ts';

/** For tests: packs as an index lists them. */

/** Ids of blobs from a small pool, so that they repeat; some share their first bytes, some all but their last. */
export const blobPool = Array.from({ length: 60 }, (_, number) => {
  const id = blobId(Buffer.from([number]));
  if (number % 3 === 0) return `0000000000${id.slice(10)}` as BlobId;
  return number % 3 === 1 ? (`${'ab'.repeat(31)}${id.slice(0, 2)}` as BlobId) : id;
});

const entry: fc.Arbitrary<BlobEntry> = fc.record(
  {
    type: fc.constantFrom('data' as const, 'tree' as const),
    id: fc.constantFrom(...blobPool),
    offset: fc.nat({ max: 2 ** 28 }),
    length: fc.integer({ min: 32, max: 2 ** 24 }),
    uncompressedLength: fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 24 })),
  },
  { noNullPrototype: true },
);

export const arbitraryPack: fc.Arbitrary<PackEntry> = fc.record(
  { id: fc.nat().map((value) => blobId(Buffer.from(String(value)))), blobs: fc.array(entry, { maxLength: 30 }) },
  { noNullPrototype: true },
);

/** A pack of data blobs with ids of their own, one after the other. */
export function packOf(name: string, count: number): PackEntry {
  const blobs = Array.from({ length: count }, (_, at): BlobEntry => {
    const id = blobId(Buffer.from(`${name} ${at}`));
    return { type: 'data', id, offset: at * 32, length: 32, uncompressedLength: 0 };
  });
  return { id: blobId(Buffer.from(name)), blobs };
}
