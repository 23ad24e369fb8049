import type { SizeLimit } from './size-limit.ts';

/** A pack that an index lists, and how much of it is needed. */
export interface PackUse {
  readonly id: string;
  readonly holds: 'data' | 'trees' | 'both';
  /** Bytes in the store. */
  readonly bytes: number;
  /** Bytes of blobs that some snapshot needs and that no other pack is to give. */
  readonly usedBytes: number;
  readonly usedBlobs: number;
  readonly unusedBlobs: number;
  /** Marked for deletion by an earlier prune. */
  readonly isMarked: boolean;
  /** Written by someone who may still be at work: his snapshot is yet to come. */
  readonly isNew: boolean;
}

/** How far a prune goes. */
export interface PruneLimits {
  /** Bytes that nobody needs and that may stay, because rewriting their packs costs more. */
  readonly maxUnused: SizeLimit;
  /** Bytes of packs that are rewritten at most. */
  readonly maxRepackBytes: number | undefined;
}

export interface PrunePlan {
  /** Packs with nothing that is needed. */
  readonly remove: readonly string[];
  /** Packs of which the rest is copied before they are removed. */
  readonly repack: readonly string[];
  /** Marked packs that something needs after all. */
  readonly rescue: readonly string[];
  /** Bytes that the packs to remove and the unneeded rest of those to repack take. */
  readonly freedBytes: number;
  readonly repackBytes: number;
  /** Bytes that stay though nobody needs them. */
  readonly unusedBytesAfter: number;
  readonly usedBytes: number;
  /** Packs that nothing needs, and that are left for the next prune because they are new. */
  readonly newPacks: number;
}

/**
 * Decides which packs go, which are rewritten and which stay. Rewritten first are packs of trees, which are read most,
 * then those that free most for the bytes that are copied.
 */
export function planPrune(packs: readonly PackUse[], limits: PruneLimits): PrunePlan {
  const live = packs.filter((pack) => !pack.isMarked && !pack.isNew);
  const remove = live.filter((pack) => pack.usedBlobs === 0);
  const partly = live.filter((pack) => pack.usedBlobs > 0 && pack.unusedBlobs > 0);
  const rescue = packs.filter((pack) => pack.isMarked && pack.usedBlobs > 0);
  const usedBytes = sum(packs.map((pack) => pack.usedBytes));
  const unusedBytesMax = unusedLimit(limits.maxUnused, usedBytes);

  const repack: PackUse[] = [];
  const young = packs.filter((pack) => pack.isNew);
  let unusedBytes = sum([...partly, ...rescue, ...young].map(unusedOf));
  let repackBytes = 0;
  for (const pack of partly.toSorted(bestFirst)) {
    if (unusedBytes <= unusedBytesMax) break;
    if (repackBytes + pack.bytes > (limits.maxRepackBytes ?? Infinity)) continue;
    repack.push(pack);
    repackBytes += pack.bytes;
    unusedBytes -= unusedOf(pack);
  }
  return {
    remove: ids(remove),
    repack: ids(repack),
    rescue: ids(rescue),
    freedBytes: sum(remove.map((pack) => pack.bytes)) + sum(repack.map(unusedOf)),
    repackBytes,
    unusedBytesAfter: unusedBytes,
    usedBytes,
    newPacks: packs.filter((pack) => pack.isNew && pack.usedBlobs === 0).length,
  };
}

function unusedOf(pack: PackUse): number {
  return pack.bytes - pack.usedBytes;
}

function bestFirst(left: PackUse, right: PackUse): number {
  const byKind = Number(left.holds === 'data') - Number(right.holds === 'data');
  return byKind || unusedOf(right) / right.bytes - unusedOf(left) / left.bytes || (left.id < right.id ? -1 : 1);
}

/** A percentage is of what is there afterwards, used and unused, as in restic. */
function unusedLimit(limit: SizeLimit, usedBytes: number): number {
  switch (limit.kind) {
    case 'unlimited':
      return Infinity;
    case 'bytes':
      return limit.bytes;
    case 'percent':
      return limit.percent >= 100 ? Infinity : (usedBytes * limit.percent) / (100 - limit.percent);
    default:
      return limit satisfies never;
  }
}

function ids(packs: readonly PackUse[]): string[] {
  return packs.map((pack) => pack.id);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
