import { topologyKey, topologyOf } from './context.ts';
import type { Context } from './context.ts';
import { createVolume } from './create-volume.ts';
import type { CreateVolumeRequest } from './create-volume.ts';
import { failedPrecondition, invalidArgument, notFound } from './errors.ts';
import { volumeMessage } from './messages.ts';
import { pageOf } from './pages.ts';
import type { PageRequest } from './pages.ts';
import { parseCapability, parseCapabilities, parseCapacityRange, refuseParameters, requireId } from './requests.ts';
import type { CapabilityMessage, CapacityRangeMessage, StringMap, TopologyMessage } from './requests.ts';
import type { Handlers } from './rpc.ts';
import { snapshotHandlers } from './snapshot-calls.ts';
import { chooseExpansion } from './volumes/capacity.ts';
import { extendImage } from './volumes/images.ts';
import { loopDevicesOf } from './volumes/mounts.ts';
import { volumeFolder } from './volumes/pool.ts';
import { findVolume, volumeIds } from './volumes/records.ts';

const capabilities = [
  'CREATE_DELETE_VOLUME',
  'LIST_VOLUMES',
  'GET_CAPACITY',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'GET_SNAPSHOT',
  'CLONE_VOLUME',
  'EXPAND_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
] as const;

interface ExpandVolumeRequest {
  readonly volume_id: string;
  readonly capacity_range: CapacityRangeMessage | null;
  readonly volume_capability: CapabilityMessage | null;
}

interface ValidateRequest {
  readonly volume_id: string;
  readonly volume_context: StringMap;
  readonly volume_capabilities: readonly CapabilityMessage[];
  readonly parameters: StringMap;
}

/** The Controller service: volumes and snapshots in the pool. */
export function controllerService(context: Context): Handlers {
  return {
    ControllerGetCapabilities: async () => ({ capabilities: capabilities.map((type) => ({ rpc: { type } })) }),
    CreateVolume: async (request: CreateVolumeRequest, signal) => createVolume(context, request, signal),
    DeleteVolume: async (request: { volume_id: string }, signal) => deleteVolume(context, request.volume_id, signal),
    ControllerExpandVolume: async (request: ExpandVolumeRequest, signal) => expandVolume(context, request, signal),
    ValidateVolumeCapabilities: async (request: ValidateRequest) => validateCapabilities(context, request),
    ListVolumes: async (request: PageRequest) => listVolumes(context, request),
    GetCapacity: async (request: { accessible_topology: TopologyMessage | null }) => getCapacity(context, request),
    ...snapshotHandlers(context),
  };
}

async function deleteVolume(context: Context, volumeId: string, signal: AbortSignal): Promise<object> {
  const id = requireId('volume_id', volumeId);
  return context.locks([id], signal, async () => {
    const volume = await findVolume(context.pool, id);
    if (volume === undefined) return {};
    const [loops = []] = await loopDevicesOf([volume.image], signal);
    if (loops.length > 0) throw failedPrecondition(`volume ${id} is still staged on the node`);
    await context.pool.remove(volumeFolder(context.pool, volume.id));
    return {};
  });
}

async function expandVolume(context: Context, request: ExpandVolumeRequest, signal: AbortSignal): Promise<object> {
  const id = requireId('volume_id', request.volume_id);
  if (request.capacity_range === null) throw invalidArgument('capacity_range', 'is missing');
  const range = parseCapacityRange(request.capacity_range);
  if (request.volume_capability !== null) parseCapability('volume_capability', request.volume_capability);
  return context.locks([id], signal, async () => {
    const volume = await findVolume(context.pool, id);
    if (volume === undefined) throw notFound(`volume ${id}`);
    const { totalBytes } = await context.pool.space();
    const bytes = chooseExpansion(range, { currentBytes: volume.bytes, poolBytes: totalBytes });
    await extendImage(volume.image, bytes);
    return { capacity_bytes: bytes, node_expansion_required: true };
  });
}

async function validateCapabilities(context: Context, request: ValidateRequest): Promise<object> {
  const id = requireId('volume_id', request.volume_id);
  if (request.volume_capabilities.length === 0) throw invalidArgument('volume_capabilities', 'is missing');
  const volume = await findVolume(context.pool, id);
  if (volume === undefined) throw notFound(`volume ${id}`);
  try {
    const { fsType } = parseCapabilities('volume_capabilities', request.volume_capabilities);
    refuseParameters('parameters', request.parameters);
    if (fsType !== undefined && fsType !== volume.fsType) return { message: `the volume has ${volume.fsType}` };
  } catch (error) {
    // Not supported is an answer here, not an error.
    return { message: error instanceof Error ? error.message : String(error) };
  }
  const { volume_context, volume_capabilities, parameters } = request;
  return { confirmed: { volume_context, volume_capabilities, parameters } };
}

async function listVolumes(context: Context, request: PageRequest): Promise<object> {
  const page = pageOf(await volumeIds(context.pool), request);
  const volumes = await Promise.all(page.ids.map(async (id) => findVolume(context.pool, id)));
  const entries = volumes
    .filter((volume) => volume !== undefined)
    .map((volume) => ({ volume: volumeMessage(volume, topologyOf(context)) }));
  return { entries, next_token: page.nextToken };
}

async function getCapacity(
  context: Context,
  request: { accessible_topology: TopologyMessage | null },
): Promise<object> {
  const node = request.accessible_topology?.segments[topologyKey];
  if (node !== undefined && node !== context.nodeId) return { available_capacity: 0 };
  const { availableBytes } = await context.pool.space();
  return { available_capacity: availableBytes, maximum_volume_size: { value: availableBytes } };
}
