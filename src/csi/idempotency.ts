/**
 * What it means that a Create call asks for something that exists (pure): the same name with the same wishes is the
 * same call made again, and gets the same answer; the same name with other wishes is an error.
 */
import { fitsRange } from './volumes/capacity.ts';
import type { CapacityRange, FsType } from './volumes/capacity.ts';
import type { ContentSource } from './volumes/records.ts';

export interface WantedVolume {
  readonly range: CapacityRange;
  /** Undefined: whatever the driver chose. */
  readonly fsType?: FsType;
  readonly source?: ContentSource | undefined;
}

/** How the volume with this name differs from what is asked for; undefined when it does not. */
export function volumeDiffers(
  existing: { bytes: number; fsType: FsType; source?: ContentSource | undefined },
  wanted: WantedVolume,
): string | undefined {
  if (!fitsRange(existing.bytes, wanted.range)) return `has ${existing.bytes} bytes`;
  if (wanted.fsType !== undefined && wanted.fsType !== existing.fsType) return `has fs_type ${existing.fsType}`;
  if (idOf(existing.source) !== idOf(wanted.source)) return `was made from ${idOf(existing.source) ?? 'no source'}`;
  return undefined;
}

const idOf = (source: ContentSource | undefined): string | undefined => {
  if (source === undefined) return undefined;
  return 'snapshotId' in source ? `snapshot ${source.snapshotId}` : `volume ${source.volumeId}`;
};

/** How the snapshot with this name differs from what is asked for. */
export const snapshotDiffers = (existing: { sourceVolumeId: string }, sourceVolumeId: string): string | undefined =>
  existing.sourceVolumeId === sourceVolumeId ? undefined : `is of volume ${existing.sourceVolumeId}`;

/** How the group with this name differs from what is asked for. The order of the volumes says nothing. */
export function groupDiffers(
  existing: { sourceVolumeIds: readonly string[] },
  wanted: readonly string[],
): string | undefined {
  return sameSet(existing.sourceVolumeIds, wanted) ? undefined : `is of volumes ${existing.sourceVolumeIds.join(', ')}`;
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const left = new Set(a);
  const right = new Set(b);
  return left.size === right.size && [...left].every((item) => right.has(item));
}
