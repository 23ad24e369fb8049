import { copyContextOf } from './context.ts';
import type { Context } from './context.ts';
import { alreadyExists, invalidArgument, notFound } from './errors.ts';
import { snapshotDiffers } from './idempotency.ts';
import { snapshotMessage } from './messages.ts';
import { pageOf } from './pages.ts';
import type { PageRequest } from './pages.ts';
import { refuseParameters, requireId, requireName } from './requests.ts';
import type { StringMap } from './requests.ts';
import type { Handlers } from './rpc.ts';
import { snapshotIdOf } from './volumes/ids.ts';
import { snapshotFolder } from './volumes/pool.ts';
import { findSnapshot, findVolume, snapshotIds } from './volumes/records.ts';
import type { Snapshot } from './volumes/records.ts';
import { createSnapshot } from './volumes/snapshots.ts';

interface CreateSnapshotRequest {
  readonly name: string;
  readonly source_volume_id: string;
  readonly parameters: StringMap;
}

interface ListSnapshotsRequest extends PageRequest {
  readonly snapshot_id: string;
  readonly source_volume_id: string;
}

/** The calls of the Controller service about snapshots of single volumes. */
export function snapshotHandlers(context: Context): Handlers {
  return {
    CreateSnapshot: async (request: CreateSnapshotRequest, signal) => create(context, request, signal),
    DeleteSnapshot: async (request: { snapshot_id: string }, signal) => remove(context, request.snapshot_id, signal),
    ListSnapshots: async (request: ListSnapshotsRequest) => list(context, request),
    GetSnapshot: async (request: { snapshot_id: string }) => get(context, request.snapshot_id),
  };
}

async function create(context: Context, request: CreateSnapshotRequest, signal: AbortSignal): Promise<object> {
  const name = requireName('name', request.name);
  const volumeId = requireId('source_volume_id', request.source_volume_id);
  refuseParameters('parameters', request.parameters);
  const id = snapshotIdOf(name);
  return context.locks([id, volumeId], signal, async () => {
    const existing = await findSnapshot(context.pool, id);
    if (existing !== undefined) {
      const difference = snapshotDiffers(existing, volumeId);
      if (difference === undefined) return { snapshot: snapshotMessage(existing) };
      throw alreadyExists(`snapshot ${JSON.stringify(name)} exists and ${difference}`);
    }
    const volume = await findVolume(context.pool, volumeId);
    if (volume === undefined) throw notFound(`volume ${JSON.stringify(volumeId)}`);
    await createSnapshot(name, volume, copyContextOf(context, signal));
    const snapshot = await findSnapshot(context.pool, id);
    if (snapshot === undefined) throw notFound(`snapshot ${id}, just made,`);
    return { snapshot: snapshotMessage(snapshot) };
  });
}

async function remove(context: Context, snapshotId: string, signal: AbortSignal): Promise<object> {
  const id = requireId('snapshot_id', snapshotId);
  return context.locks([id], signal, async () => {
    const snapshot = await findSnapshot(context.pool, id);
    if (snapshot === undefined) return {};
    if (snapshot.groupId !== undefined) {
      throw invalidArgument('snapshot_id', `is part of ${snapshot.groupId} and is deleted with it only`);
    }
    await context.pool.remove(snapshotFolder(context.pool, snapshot.id, undefined));
    return {};
  });
}

async function get(context: Context, snapshotId: string): Promise<object> {
  const snapshot = await findSnapshot(context.pool, requireId('snapshot_id', snapshotId));
  if (snapshot === undefined) throw notFound(`snapshot ${JSON.stringify(snapshotId)}`);
  return { snapshot: snapshotMessage(snapshot) };
}

async function list(context: Context, request: ListSnapshotsRequest): Promise<object> {
  const matching = await find(context, request);
  const page = pageOf(
    matching.map(({ id }) => id),
    request,
  );
  const wanted = new Set(page.ids);
  const entries = matching.filter(({ id }) => wanted.has(id)).map((found) => ({ snapshot: snapshotMessage(found) }));
  return { entries, next_token: page.nextToken };
}

async function find(context: Context, filter: ListSnapshotsRequest): Promise<Snapshot[]> {
  const ids = filter.snapshot_id === '' ? await snapshotIds(context.pool) : [filter.snapshot_id];
  const found = await Promise.all(ids.map(async (id) => findSnapshot(context.pool, id)));
  return found
    .filter((snapshot) => snapshot !== undefined)
    .filter(({ sourceVolumeId }) => filter.source_volume_id === '' || filter.source_volume_id === sourceVolumeId);
}
