import { statfs } from 'node:fs/promises';
import { topologyOf } from './context.ts';
import type { Context } from './context.ts';
import { alreadyExists, failedPrecondition, invalidArgument, notFound, outOfRange } from './errors.ts';
import { parseCapability, parseCapacityRange, requireId, requirePath } from './requests.ts';
import type { Capability, CapabilityMessage, CapacityRangeMessage } from './requests.ts';
import type { Handlers } from './rpc.ts';
import { growMounted, growsMountedOnly, mountFlagsOf, prepareImage } from './volumes/images.ts';
import * as mounts from './volumes/mounts.ts';
import type { LoopDevice, Mount } from './volumes/mounts.ts';
import { findVolume } from './volumes/records.ts';
import type { Volume } from './volumes/records.ts';

const capabilities = ['STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME', 'GET_VOLUME_STATS', 'SINGLE_NODE_MULTI_WRITER'] as const;

const undoTimeoutMs = 30_000;

interface StageRequest {
  readonly volume_id: string;
  readonly staging_target_path: string;
  readonly volume_capability: CapabilityMessage | null;
}

interface PublishRequest extends StageRequest {
  readonly target_path: string;
  readonly readonly: boolean;
}

interface ExpandRequest {
  readonly volume_id: string;
  readonly volume_path: string;
  readonly capacity_range: CapacityRangeMessage | null;
}

/** The Node service: an image is mounted once, at its staging path, and shown to pods by bind mounts of that. */
export function nodeService(context: Context): Handlers {
  return {
    NodeGetCapabilities: async () => ({ capabilities: capabilities.map((type) => ({ rpc: { type } })) }),
    NodeGetInfo: async () => ({ node_id: context.nodeId, accessible_topology: topologyOf(context) }),
    NodeStageVolume: async (request: StageRequest, signal) => {
      const id = requireId('volume_id', request.volume_id);
      const path = requirePath('staging_target_path', request.staging_target_path);
      const capability = parseCapability('volume_capability', request.volume_capability);
      return context.locks([id], signal, async () => stage(context, { id, path, capability, signal }));
    },
    NodeUnstageVolume: async (request: { volume_id: string; staging_target_path: string }, signal) => {
      const id = requireId('volume_id', request.volume_id);
      const path = requirePath('staging_target_path', request.staging_target_path);
      return context.locks([id], signal, async () => unstage(context, { id, path, signal }));
    },
    NodePublishVolume: async (request: PublishRequest, signal) => {
      const id = requireId('volume_id', request.volume_id);
      const path = requirePath('target_path', request.target_path);
      const capability = parseCapability('volume_capability', request.volume_capability);
      if (request.staging_target_path === '') throw failedPrecondition('staging_target_path is missing');
      const staging = requirePath('staging_target_path', request.staging_target_path);
      const readOnly = request.readonly || capability.readOnly;
      const publishing = { id, path, staging, readOnly, singleTarget: capability.singleTarget, signal };
      return context.locks([id], signal, async () => publish(context, publishing));
    },
    NodeUnpublishVolume: async (request: { volume_id: string; target_path: string }, signal) => {
      const id = requireId('volume_id', request.volume_id);
      const path = requirePath('target_path', request.target_path);
      return context.locks([id], signal, async () => {
        await mounts.unmountAndRemove(path, signal);
        return {};
      });
    },
    NodeGetVolumeStats: async (request: { volume_id: string; volume_path: string }) => {
      const id = requireId('volume_id', request.volume_id);
      return stats(context, id, requireId('volume_path', request.volume_path));
    },
    NodeExpandVolume: async (request: ExpandRequest, signal) => {
      const id = requireId('volume_id', request.volume_id);
      return context.locks([id], signal, async () => expand(context, id, request));
    },
  };
}

/** A volume as this node has it. */
interface Attached {
  readonly volume: Volume;
  readonly loops: readonly LoopDevice[];
  readonly all: readonly Mount[];
}

async function look(context: Context, id: string, signal?: AbortSignal): Promise<Attached> {
  const volume = await findVolume(context.pool, id);
  if (volume === undefined) throw notFound(`volume ${JSON.stringify(id)}`);
  const [loops = []] = await mounts.loopDevicesOf([volume.image], signal);
  return { volume, loops, all: await mounts.readMounts() };
}

async function stage(
  context: Context,
  staging: { id: string; path: string; capability: Capability; signal: AbortSignal },
): Promise<object> {
  const { id, path, capability, signal } = staging;
  const { volume, loops, all } = await look(context, id, signal);
  if (capability.fsType !== undefined && capability.fsType !== volume.fsType) {
    throw invalidArgument('volume_capability.mount.fs_type', `is ${capability.fsType}; it has ${volume.fsType}`);
  }
  const there = mounts.mountAt(all, path);
  if (there !== undefined) {
    if (mounts.isMountOf(there, loops)) return growIfNeeded(context, volume, path);
    throw alreadyExists(`something else than volume ${id} is mounted at ${path}`);
  }
  if (loops.length === 0) await prepareImage(volume.image, volume.fsType);
  // Always writable: a read-only volume is read-only where it is published, so that others can write it.
  const flags = [...mountFlagsOf(volume.fsType), ...capability.mountFlags.filter((flag) => flag !== 'ro')];
  return orUnmount(context, path, async () => {
    await mounts.mountImage(volume.image, path, { fsType: volume.fsType, flags, signal });
    await growIfNeeded(context, volume, path);
  });
}

async function growIfNeeded(context: Context, volume: Volume, path: string): Promise<object> {
  if (growsMountedOnly(volume.fsType)) await grow(context, volume.id, path);
  return {};
}

/** A mount that is not whole (not grown, or not yet read-only) must not stay: the next call would take it for done. */
async function orUnmount(context: Context, path: string, work: () => Promise<void>): Promise<object> {
  try {
    await work();
  } catch (error) {
    try {
      // An undo must not be cut short by the cancellation that made it necessary.
      await mounts.unmountAndRemove(path, AbortSignal.timeout(undoTimeoutMs));
    } catch (undoError) {
      context.log('error', 'a mount that failed could not be undone', { path, error: String(undoError) });
    }
    throw error;
  }
  return {};
}

async function unstage(context: Context, staged: { id: string; path: string; signal: AbortSignal }): Promise<object> {
  await mounts.unmountAndRemove(staged.path, staged.signal);
  const volume = await findVolume(context.pool, staged.id);
  if (volume !== undefined) await mounts.waitForDetach(volume.image, staged.signal);
  return {};
}

interface Publishing {
  readonly id: string;
  readonly path: string;
  readonly staging: string;
  readonly readOnly: boolean;
  readonly singleTarget: boolean;
  readonly signal: AbortSignal;
}

async function publish(context: Context, publishing: Publishing): Promise<object> {
  const { id, path, staging, readOnly, signal } = publishing;
  const { loops, all } = await look(context, id, signal);
  const staged = mounts.mountAt(all, staging);
  if (staged === undefined || !mounts.isMountOf(staged, loops)) {
    throw failedPrecondition(`volume ${id} is not staged at ${staging}`);
  }
  const there = mounts.mountAt(all, path);
  if (there !== undefined) {
    if (mounts.isMountOf(there, loops) && there.readOnly === readOnly) return {};
    throw alreadyExists(`${path} has another mount than volume ${id} ${readOnly ? 'read-only' : 'writable'}`);
  }
  if (publishing.singleTarget) requireNoOtherTarget(all, loops, staging);
  return orUnmount(context, path, async () => mounts.bindMount(staging, path, { readOnly, signal }));
}

function requireNoOtherTarget(all: readonly Mount[], loops: readonly LoopDevice[], staging: string): void {
  const other = all.find((mount) => mounts.isMountOf(mount, loops) && mount.path !== staging);
  if (other !== undefined) {
    throw failedPrecondition(`SINGLE_NODE_SINGLE_WRITER, and the volume is published at ${other.path} already`);
  }
}

async function stats(context: Context, id: string, path: string): Promise<object> {
  const { loops, all } = await look(context, id);
  const there = mounts.mountAt(all, path);
  if (there === undefined || !mounts.isMountOf(there, loops)) throw notFound(`volume ${id} at ${path}`);
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    usage: [
      { unit: 'BYTES', total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
      { unit: 'INODES', total: files, used: files - ffree, available: ffree },
    ],
  };
}

async function expand(context: Context, id: string, request: ExpandRequest): Promise<object> {
  // Any path will do that shows the volume: it is only compared with what is mounted.
  const path = requireId('volume_path', request.volume_path);
  const { requiredBytes } = parseCapacityRange(request.capacity_range);
  const volume = await grow(context, id, path);
  if (requiredBytes !== undefined && requiredBytes > volume.bytes) {
    throw outOfRange(`the volume has ${volume.bytes} bytes; ControllerExpandVolume must come first`);
  }
  return { capacity_bytes: volume.bytes };
}

/** Grows the filesystem mounted at the path to the size of its image. */
async function grow(context: Context, id: string, path: string): Promise<Volume> {
  const { volume, loops, all } = await look(context, id);
  const there = mounts.mountAt(all, path);
  const loop = loops.find((candidate) => candidate.device === there?.device);
  if (loop === undefined) throw notFound(`volume ${id} at ${path}`);
  await growMounted({ loop: loop.path, path, fsType: volume.fsType });
  return volume;
}
