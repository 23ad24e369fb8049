import { formatBytes } from '#shared/bytes';
import { outOfRange } from '../errors.ts';

/** Filesystems a volume can have; the first is the default. */
export const fsTypes = ['ext4', 'xfs'] as const;
export type FsType = (typeof fsTypes)[number];

/** What a request says about the size of a volume, in bytes; undefined where it says nothing. */
export interface CapacityRange {
  readonly requiredBytes: number | undefined;
  readonly limitBytes: number | undefined;
}

const MiB = 1024 ** 2;

/** A request without a size gets this much. */
const defaultBytes = 1024 * MiB;

/** Below these mkfs refuses (xfs) or leaves too little room for files (ext4). */
const minimumBytes: Record<FsType, number> = { ext4: 16 * MiB, xfs: 300 * MiB };

/** Images are whole filesystem blocks. */
const alignmentBytes = 4096;

export interface CapacityContext {
  readonly fsType: FsType;
  /** Size of the snapshot or volume that is copied: the copy can be larger, never smaller. */
  readonly sourceBytes?: number;
  /** Size of the whole pool. */
  readonly poolBytes: number;
}

/**
 * The size of a new volume, in bytes.
 * @throws OUT_OF_RANGE when no size fits the request, the source and the pool
 */
export function chooseCapacity(range: CapacityRange, context: CapacityContext): number {
  const { requiredBytes, limitBytes } = range;
  const { fsType, sourceBytes, poolBytes } = context;
  if (sourceBytes !== undefined && requiredBytes !== undefined && requiredBytes < sourceBytes) {
    throw outOfRange(
      `capacity_range.required_bytes (${formatBytes(requiredBytes)}) is less than the source (${formatBytes(sourceBytes)})`,
    );
  }
  const wanted = requiredBytes ?? sourceBytes ?? Math.min(defaultBytes, limitBytes ?? defaultBytes);
  const bytes = alignUp(Math.max(wanted, sourceBytes ?? minimumBytes[fsType]));
  if (limitBytes !== undefined && bytes > limitBytes) {
    throw outOfRange(
      `capacity_range.limit_bytes (${limitBytes}) is less than the smallest ${fsType} volume possible (${bytes})`,
    );
  }
  return within(bytes, poolBytes);
}

/**
 * The size of a volume after an expansion, in bytes. Never less than it is.
 * @throws OUT_OF_RANGE when it is larger than the limit already, or would not fit the pool
 */
export function chooseExpansion(range: CapacityRange, context: { currentBytes: number; poolBytes: number }): number {
  const bytes = Math.max(alignUp(range.requiredBytes ?? 0), context.currentBytes);
  if (range.limitBytes !== undefined && bytes > range.limitBytes) {
    throw outOfRange(`capacity_range.limit_bytes (${range.limitBytes}) is less than the volume would have (${bytes})`);
  }
  return within(bytes, context.poolBytes);
}

/** True when a volume of this size is what the request asks for. */
export const fitsRange = (bytes: number, range: CapacityRange): boolean =>
  bytes >= (range.requiredBytes ?? 0) && bytes <= (range.limitBytes ?? Number.POSITIVE_INFINITY);

const alignUp = (bytes: number): number => Math.ceil(bytes / alignmentBytes) * alignmentBytes;

function within(bytes: number, poolBytes: number): number {
  if (bytes > poolBytes) {
    throw outOfRange(
      `capacity_range.required_bytes (${formatBytes(bytes)}) is more than the whole pool has (${formatBytes(poolBytes)})`,
    );
  }
  return bytes;
}
