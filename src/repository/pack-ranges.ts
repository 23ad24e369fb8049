/** Where a wanted blob lies. */
export interface InPack {
  readonly packId: string;
  readonly offset: number;
  readonly length: number;
}

/** A part of a pack that is read with one call, for the sake of these blobs. */
export interface PackRange<Wanted extends InPack> {
  readonly packId: string;
  readonly offset: number;
  readonly length: number;
  /** By offset; none lies outside of the range. */
  readonly wanted: readonly Wanted[];
}

export interface RangeBounds {
  /** Bytes between two wanted blobs that are read along, because another call would cost more. */
  readonly gapBytesMax: number;
  /** A range ends before it gets larger than this; a single blob may be larger. */
  readonly rangeBytesMax: number;
}

/**
 * Joins what lies close together in the same pack. Packs come in the order in which they are first wanted, so that what
 * was written in one go is read in one go; no byte of a wanted blob is read twice, unless blobs overlap.
 */
export function packRanges<Wanted extends InPack>(wanted: Iterable<Wanted>, bounds: RangeBounds): PackRange<Wanted>[] {
  const byPack = new Map<string, Wanted[]>();
  for (const blob of wanted) {
    const blobs = byPack.get(blob.packId);
    if (blobs === undefined) byPack.set(blob.packId, [blob]);
    else blobs.push(blob);
  }
  return [...byPack].flatMap(([packId, blobs]) => rangesOf(packId, blobs, bounds));
}

function rangesOf<Wanted extends InPack>(packId: string, blobs: Wanted[], bounds: RangeBounds): PackRange<Wanted>[] {
  const ranges: PackRange<Wanted>[] = [];
  let current: Wanted[] = [];
  let start = 0;
  let end = 0;
  const close = (): void => {
    if (current.length > 0) ranges.push({ packId, offset: start, length: end - start, wanted: current });
    current = [];
  };
  for (const blob of blobs.sort((a, b) => a.offset - b.offset)) {
    const blobEnd = blob.offset + blob.length;
    const isNear = blob.offset - end <= bounds.gapBytesMax && blobEnd - start <= bounds.rangeBytesMax;
    if (current.length === 0 || !isNear) {
      close();
      start = blob.offset;
      end = blobEnd;
    }
    current.push(blob);
    end = Math.max(end, blobEnd);
  }
  close();
  return ranges;
}
