import { blobId } from '#repository/ids';
import type { BlobId } from '#repository/types';

const KiB = 1024;

/** Blobs of zeros that everybody writes who cuts holes, with their bytes: known without asking the repository. */
const zeroBlobs: ReadonlyMap<BlobId, number> = new Map(
  [512 * KiB, 1024 * KiB, 4096 * KiB].map((bytes) => [blobId(Buffer.alloc(bytes)), bytes]),
);

/** Its bytes, or undefined if it is another blob. */
export function zeroBlobBytes(id: BlobId): number | undefined {
  return zeroBlobs.get(id);
}

export function isZeroBlob(id: BlobId): boolean {
  return zeroBlobs.has(id);
}
