import { copyContextOf } from './context.ts';
import type { Context } from './context.ts';
import { alreadyExists, invalidArgument, notFound } from './errors.ts';
import { groupDiffers, sameSet } from './idempotency.ts';
import { groupMessage } from './messages.ts';
import { refuseParameters, requireId, requireName } from './requests.ts';
import type { StringMap } from './requests.ts';
import type { Handlers } from './rpc.ts';
import { groupIdOf } from './volumes/ids.ts';
import { groupFolder } from './volumes/pool.ts';
import { findGroup, findVolume } from './volumes/records.ts';
import type { Group, Volume } from './volumes/records.ts';
import { createGroup } from './volumes/snapshots.ts';

/** All volumes are frozen until the last is cloned: the more there are, the longer every one of them waits. */
const groupVolumesMax = 64;

interface CreateGroupRequest {
  readonly name: string;
  readonly source_volume_ids: readonly string[];
  readonly parameters: StringMap;
}

interface GroupRequest {
  readonly group_snapshot_id: string;
  readonly snapshot_ids: readonly string[];
}

/** The GroupController service: snapshots of several volumes at one moment. */
export function groupService(context: Context): Handlers {
  return {
    GroupControllerGetCapabilities: async () => ({
      capabilities: [{ rpc: { type: 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT' } }],
    }),
    CreateVolumeGroupSnapshot: async (request: CreateGroupRequest, signal) => create(context, request, signal),
    DeleteVolumeGroupSnapshot: async (request: GroupRequest, signal) => remove(context, request, signal),
    GetVolumeGroupSnapshot: async (request: GroupRequest) => get(context, request),
  };
}

async function create(context: Context, request: CreateGroupRequest, signal: AbortSignal): Promise<object> {
  const name = requireName('name', request.name);
  const volumeIds = request.source_volume_ids.map((id) => requireId('source_volume_ids', id));
  if (volumeIds.length === 0) throw invalidArgument('source_volume_ids', 'is missing');
  if (volumeIds.length > groupVolumesMax) throw invalidArgument('source_volume_ids', `has over ${groupVolumesMax} ids`);
  if (new Set(volumeIds).size < volumeIds.length) throw invalidArgument('source_volume_ids', 'names a volume twice');
  refuseParameters('parameters', request.parameters);

  const groupId = groupIdOf(name);
  return context.locks([groupId, ...volumeIds], signal, async () => {
    const existing = await findGroup(context.pool, groupId);
    if (existing !== undefined) {
      const sourceVolumeIds = existing.snapshots.map((snapshot) => snapshot.sourceVolumeId);
      const difference = groupDiffers({ sourceVolumeIds }, volumeIds);
      if (difference === undefined) return { group_snapshot: groupMessage(existing) };
      throw alreadyExists(`group snapshot ${JSON.stringify(name)} exists and ${difference}`);
    }
    const volumes = await Promise.all(volumeIds.map(async (id) => requireVolume(context, id)));
    await createGroup(name, volumes, copyContextOf(context, signal));
    return { group_snapshot: groupMessage(await requireGroup(context, groupId)) };
  });
}

async function remove(context: Context, request: GroupRequest, signal: AbortSignal): Promise<object> {
  const groupId = requireId('group_snapshot_id', request.group_snapshot_id);
  // Volumes are made from a member under the lock of the member, so a delete has to wait for those too.
  return context.locks([groupId, ...request.snapshot_ids], signal, async () => {
    const group = await findGroup(context.pool, groupId);
    if (group === undefined) return {};
    requireMembers(group, request.snapshot_ids);
    await context.pool.remove(groupFolder(context.pool, group.id));
    return {};
  });
}

async function get(context: Context, request: GroupRequest): Promise<object> {
  const group = await requireGroup(context, requireId('group_snapshot_id', request.group_snapshot_id));
  requireMembers(group, request.snapshot_ids);
  return { group_snapshot: groupMessage(group) };
}

function requireMembers(group: Group, snapshotIds: readonly string[]): void {
  if (!sameSet(group.snapshotIds, snapshotIds)) {
    throw invalidArgument('snapshot_ids', `are not those of ${group.id}: ${group.snapshotIds.join(', ')}`);
  }
}

async function requireVolume(context: Context, id: string): Promise<Volume> {
  const volume = await findVolume(context.pool, id);
  if (volume === undefined) throw notFound(`volume ${JSON.stringify(id)}`);
  return volume;
}

async function requireGroup(context: Context, id: string): Promise<Group> {
  const group = await findGroup(context.pool, id);
  if (group === undefined) throw notFound(`group snapshot ${JSON.stringify(id)}`);
  return group;
}
