import { loadFile } from '../files.ts';
import type { Vault } from '../files.ts';
import type { Fields } from '../fields.ts';
import { toSnapshotId } from '../ids.ts';
import { decodeSnapshot } from '../snapshot.ts';
import type { BlobId, Snapshot, SnapshotId } from '../types.ts';

/** A snapshot with all its fields, also those of other programs. */
export interface WholeSnapshot {
  readonly snapshot: Snapshot;
  readonly fields: Fields;
}

export async function loadWholeSnapshot(vault: Vault, id: SnapshotId, signal?: AbortSignal): Promise<WholeSnapshot> {
  const fields = await loadFile(vault, 'snapshots', id, signal);
  return { fields, snapshot: decodeSnapshot(fields, toSnapshotId(id, 'snapshot')) };
}

export interface SnapshotChanges {
  readonly tree?: BlobId;
  readonly tags?: readonly string[];
}

/**
 * The JSON of an altered copy. It keeps what it is a copy of, however often it is altered, and has no parent: that may not
 * be where the copy is. Fields that are not ours stay as they are.
 */
export function encodeAltered({ fields, snapshot }: WholeSnapshot, { tree, tags }: SnapshotChanges = {}): string {
  const { parent: _parent, ...rest } = fields;
  const changed = {
    ...rest,
    ...(tree === undefined ? {} : { tree }),
    ...(tags === undefined ? {} : { tags }),
    original: originalOf(snapshot),
  };
  return JSON.stringify(changed, exactNumbers);
}

/** What a snapshot is, or is a copy of. */
export function originalOf({ id, original }: Pick<Snapshot, 'id' | 'original'>): SnapshotId {
  return original ?? id;
}

const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** Integers that a double cannot hold were read as bigint. */
function exactNumbers(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawJSON(String(value)) : value;
}
