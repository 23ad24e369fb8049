import { formatBytes } from '#shared/bytes';
import { copyContextOf, topologyKey, topologyOf } from './context.ts';
import type { Context } from './context.ts';
import { alreadyExists, invalidArgument, notFound, resourceExhausted } from './errors.ts';
import { volumeDiffers } from './idempotency.ts';
import type { WantedVolume } from './idempotency.ts';
import { volumeMessage } from './messages.ts';
import {
  parseCapabilities,
  parseCapacityRange,
  parseContentSource,
  refuseParameters,
  requireName,
} from './requests.ts';
import type {
  CapabilityMessage,
  CapacityRangeMessage,
  ContentSourceMessage,
  StringMap,
  TopologyMessage,
} from './requests.ts';
import { chooseCapacity, fsTypes } from './volumes/capacity.ts';
import type { FsType } from './volumes/capacity.ts';
import { volumeIdOf } from './volumes/ids.ts';
import type { VolumeId } from './volumes/ids.ts';
import { cloneImage, createImage, extendImage } from './volumes/images.ts';
import { imageIn, volumeFolder } from './volumes/pool.ts';
import { findSnapshot, findVolume, writeVolumeRecord } from './volumes/records.ts';
import type { ContentSource, Snapshot, Volume } from './volumes/records.ts';
import { copyVolumes } from './volumes/snapshots.ts';

export interface CreateVolumeRequest {
  readonly name: string;
  readonly capacity_range: CapacityRangeMessage | null;
  readonly volume_capabilities: readonly CapabilityMessage[];
  readonly parameters: StringMap;
  readonly mutable_parameters: StringMap;
  readonly volume_content_source: ContentSourceMessage | null;
  readonly accessibility_requirements: { readonly requisite: readonly TopologyMessage[] } | null;
}

/** What a new volume starts with: nothing, the image of a snapshot, or that of a volume that may be in use. */
type Origin =
  | { readonly kind: 'empty' }
  | { readonly kind: 'snapshot'; readonly of: Snapshot }
  | { readonly kind: 'volume'; readonly of: Volume };

/** CreateVolume: empty, from a snapshot, or as a clone. */
export async function createVolume(
  context: Context,
  request: CreateVolumeRequest,
  signal: AbortSignal,
): Promise<object> {
  const name = requireName('name', request.name);
  const source = parseContentSource(request.volume_content_source);
  const wanted: WantedVolume = {
    ...parseCapabilities('volume_capabilities', request.volume_capabilities),
    range: parseCapacityRange(request.capacity_range),
    source,
  };
  refuseParameters('parameters', request.parameters);
  refuseParameters('mutable_parameters', request.mutable_parameters);
  requireThisNode(context, request.accessibility_requirements?.requisite ?? []);

  const id = volumeIdOf(name);
  return context.locks([id, ...sourceIds(source)], signal, async () => {
    const existing = await findVolume(context.pool, id);
    const difference = existing && volumeDiffers(existing, wanted);
    if (difference !== undefined) throw alreadyExists(`volume ${JSON.stringify(name)} exists and ${difference}`);
    if (existing === undefined) await make(context, { id, name, wanted, signal });
    const volume = existing ?? (await findVolume(context.pool, id));
    if (volume === undefined) throw notFound(`volume ${id}, just made,`);
    return { volume: volumeMessage(volume, topologyOf(context)) };
  });
}

async function make(
  context: Context,
  making: { id: VolumeId; name: string; wanted: WantedVolume; signal: AbortSignal },
): Promise<void> {
  const { id, name, wanted, signal } = making;
  const { pool } = context;
  const origin = await findOrigin(context, wanted.source);
  const fsType = chooseFsType(wanted, origin);
  const { availableBytes, totalBytes } = await pool.space();
  const bytes = chooseCapacity(wanted.range, {
    fsType,
    poolBytes: totalBytes,
    ...(origin.kind === 'empty' ? {} : { sourceBytes: origin.of.bytes }),
  });
  // A copy shares all its blocks at first, so it needs no room of its own yet.
  if ((origin.kind === 'empty' ? bytes : 1) > availableBytes) {
    throw resourceExhausted(`the pool has ${formatBytes(availableBytes)} left, not ${formatBytes(bytes)}`);
  }
  await pool.create(volumeFolder(pool, id), async (folder) => {
    await fillImage(context, { image: imageIn(folder), origin, bytes, fsType, signal });
    const createdAtMs = context.clock.now();
    await writeVolumeRecord(folder, { version: 1, name, fsType, createdAtMs, source: wanted.source });
  });
}

async function fillImage(
  context: Context,
  filling: { image: string; origin: Origin; bytes: number; fsType: FsType; signal: AbortSignal },
): Promise<void> {
  const { image, origin, bytes, signal } = filling;
  switch (origin.kind) {
    case 'empty':
      await createImage(image, filling);
      return;
    case 'snapshot':
      await cloneImage(origin.of.image, image);
      break;
    case 'volume':
      await copyVolumes([{ volume: origin.of, target: image }], copyContextOf(context, signal));
      break;
    default:
      origin satisfies never;
  }
  await extendImage(image, bytes);
}

async function findOrigin(context: Context, source: ContentSource | undefined): Promise<Origin> {
  if (source === undefined) return { kind: 'empty' };
  if ('snapshotId' in source) {
    const snapshot = await findSnapshot(context.pool, source.snapshotId);
    if (snapshot === undefined) throw notFound(`snapshot ${JSON.stringify(source.snapshotId)}`);
    return { kind: 'snapshot', of: snapshot };
  }
  const volume = await findVolume(context.pool, source.volumeId);
  if (volume === undefined) throw notFound(`source volume ${JSON.stringify(source.volumeId)}`);
  return { kind: 'volume', of: volume };
}

function chooseFsType(wanted: WantedVolume, origin: Origin): FsType {
  if (origin.kind === 'empty') return wanted.fsType ?? fsTypes[0];
  if (wanted.fsType !== undefined && wanted.fsType !== origin.of.fsType) {
    throw invalidArgument('volume_capabilities', `ask for ${wanted.fsType}, but the source has ${origin.of.fsType}`);
  }
  return origin.of.fsType;
}

const sourceIds = (source: ContentSource | undefined): string[] => {
  if (source === undefined) return [];
  return ['snapshotId' in source ? source.snapshotId : source.volumeId];
};

function requireThisNode(context: Context, requisite: readonly TopologyMessage[]): void {
  if (requisite.length === 0) return;
  const here = requisite.some((topology) => topology.segments[topologyKey] === context.nodeId);
  if (!here) throw resourceExhausted(`accessibility_requirements exclude ${topologyKey}=${context.nodeId}`);
}
