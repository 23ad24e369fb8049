import type { BlobPlace } from './blob-index.ts';
import { packRanges } from './pack-ranges.ts';
import type { ByteRange } from './types.ts';

/** Sealed trees that are read before they are asked for, together: a few thousand directories of usual size. */
const bytesAheadMax = 8 * 1024 * 1024;

/** Trees of one backup lie side by side; between them only those of directories that did not change. */
const bounds = { gapBytesMax: 64 * 1024, rangeBytesMax: 1024 * 1024 };

export interface TreesAhead {
  /** Begins to read these, as far as there is room; what fails is read again when it is asked for. */
  expect(places: readonly BlobPlace[], signal: AbortSignal | undefined): void;
  /** The sealed tree if it was expected; it is then forgotten. */
  take(place: BlobPlace): Promise<Buffer | undefined>;
}

/** A walk asks for one directory after the other: without this, each costs a round trip to the store. */
export function createTreesAhead(
  readPack: (packId: string, range: ByteRange, signal?: AbortSignal) => Promise<Buffer>,
): TreesAhead {
  const ahead = new Map<string, { readonly bytes: Promise<Buffer | undefined>; readonly length: number }>();
  let bytesAhead = 0;
  const keyOf = (place: BlobPlace): string => `${place.packId}:${place.offset}`;

  return {
    expect: (places, signal) => {
      const fitting = new Map<string, BlobPlace>();
      for (const place of places) {
        const key = keyOf(place);
        if (ahead.has(key) || fitting.has(key) || bytesAhead + place.length > bytesAheadMax) continue;
        bytesAhead += place.length;
        fitting.set(key, place);
      }
      for (const range of packRanges(fitting.values(), bounds)) {
        const read = readPack(range.packId, range, signal).catch(() => undefined);
        for (const place of range.wanted) {
          const start = place.offset - range.offset;
          // Copied, so that one tree that is never asked for does not keep the whole range.
          const bytes = read.then((all) =>
            all === undefined ? undefined : Buffer.from(all.subarray(start, start + place.length)),
          );
          ahead.set(keyOf(place), { bytes, length: place.length });
        }
      }
    },
    take: async (place) => {
      const found = ahead.get(keyOf(place));
      if (found === undefined) return undefined;
      ahead.delete(keyOf(place));
      bytesAhead -= found.length;
      return found.bytes;
    },
  };
}
