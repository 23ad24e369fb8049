import { hash } from 'node:crypto';
import { corrupt } from './corrupt.ts';
import type { BlobId, SnapshotId } from './types.ts';

const hexId = /^[0-9a-f]{64}$/;

/** The id of a blob with these plain bytes. */
export function blobId(bytes: Uint8Array): BlobId {
  return hash('sha256', bytes, 'hex') as BlobId;
}

/** The name of a file with these stored bytes: packs, indexes, snapshots, locks and keys are named by their hash. */
export function fileId(stored: Uint8Array): string {
  return hash('sha256', stored, 'hex');
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && hexId.test(value);
}

/** Takes a string from outside as a blob's id. */
export function toBlobId(value: unknown, what: string): BlobId {
  if (isId(value)) return value as BlobId;
  const found = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : `a ${typeof value}`;
  throw corrupt(`${what}: not an id: ${found}`);
}

/** Takes a string from outside as a snapshot's id. */
export function toSnapshotId(value: unknown, what: string): SnapshotId {
  return toBlobId(value, what) as string as SnapshotId;
}
