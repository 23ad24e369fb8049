import { mapLimit } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { asString, asStrings, asUint32, optional, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { listFiles, loadFile, saveFile } from './files.ts';
import type { Vault } from './files.ts';
import { toBlobId, toSnapshotId } from './ids.ts';
import { parseTimeNs } from './rfc3339.ts';
import type { Snapshot, SnapshotId } from './types.ts';

/** Snapshot files read at a time. */
const READS_MAX = 8;

export async function saveSnapshot(
  vault: Vault,
  snapshot: Omit<Snapshot, 'id'>,
  signal?: AbortSignal,
): Promise<SnapshotId> {
  parseTimeNs(snapshot.time, 'time');
  return toSnapshotId(await saveFile(vault, 'snapshots', encodeSnapshot(snapshot), signal), 'snapshot');
}

/** All snapshots, oldest first. One that is deleted meanwhile is left out; one that cannot be read is an error. */
export async function loadSnapshots(vault: Vault, signal?: AbortSignal): Promise<Snapshot[]> {
  const files = await listFiles(vault, 'snapshots', signal);
  const loaded = await mapLimit(files, READS_MAX, async ({ key }, both) => loadIfThere(vault, key, both), signal);
  return loaded
    .filter((snapshot) => snapshot !== undefined)
    .map((snapshot) => ({ snapshot, timeNs: parseTimeNs(snapshot.time, 'time') }))
    .sort((left, right) => compare(left.timeNs, right.timeNs) || compare(left.snapshot.id, right.snapshot.id))
    .map(({ snapshot }) => snapshot);
}

async function loadIfThere(vault: Vault, id: string, signal: AbortSignal): Promise<Snapshot | undefined> {
  try {
    return decodeSnapshot(await loadFile(vault, 'snapshots', id, signal), toSnapshotId(id, 'snapshot'));
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'StoreObjectMissing') return undefined;
    throw error;
  }
}

/** In the order of restic's fields. */
export function encodeSnapshot(snapshot: Omit<Snapshot, 'id'>): string {
  return JSON.stringify({
    time: snapshot.time,
    ...(snapshot.parent === undefined ? {} : { parent: snapshot.parent }),
    tree: snapshot.tree,
    paths: snapshot.paths,
    hostname: snapshot.hostname,
    username: snapshot.username,
    uid: snapshot.uid,
    gid: snapshot.gid,
    ...(snapshot.tags.length === 0 ? {} : { tags: snapshot.tags }),
    ...(snapshot.programVersion === undefined ? {} : { program_version: snapshot.programVersion }),
    ...(snapshot.original === undefined ? {} : { original: snapshot.original }),
  });
}

export function decodeSnapshot(fields: Fields, id: SnapshotId): Snapshot {
  return within(`The file snapshots/${id}`, () => decodeFields(fields, id));
}

function decodeFields(fields: Fields, id: SnapshotId): Snapshot {
  const time = required(fields, 'time', asString);
  parseTimeNs(time, 'time');
  const parent = optional(fields, 'parent', toSnapshotId);
  const programVersion = optional(fields, 'program_version', asString);
  const original = optional(fields, 'original', toSnapshotId);
  return {
    id,
    time,
    tree: required(fields, 'tree', toBlobId),
    paths: optional(fields, 'paths', asStrings) ?? [],
    hostname: optional(fields, 'hostname', asString) ?? '',
    username: optional(fields, 'username', asString) ?? '',
    uid: optional(fields, 'uid', asUint32) ?? 0,
    gid: optional(fields, 'gid', asUint32) ?? 0,
    tags: optional(fields, 'tags', asStrings) ?? [],
    ...(parent === undefined ? {} : { parent }),
    ...(programVersion === undefined ? {} : { programVersion }),
    ...(original === undefined ? {} : { original }),
  };
}

function compare<T extends bigint | string>(left: T, right: T): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
