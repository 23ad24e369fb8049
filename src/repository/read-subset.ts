import { SalvorError } from '#shared/errors';
import { parseSizeLimit } from './care/size-limit.ts';

/** Which packs a check reads: all, one of so many parts by their names, or as many at random as a share or size allows. */
export type ReadSubset =
  | { readonly kind: 'part'; readonly part: number; readonly of: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'bytes'; readonly bytes: number };

/** As in restic: parts are told apart by the first byte of a pack's id. */
const PARTS_MAX = 256;

/** Reads `3/10`, `5%`, `20GiB`, as `restic check --read-data-subset` does. Throws `Usage`. */
export function parseReadSubset(text: string): ReadSubset {
  const parts = /^(\d+)\/(\d+)$/.exec(text);
  if (parts !== null) {
    const [part, of] = [Number(parts[1]), Number(parts[2])];
    if (part >= 1 && part <= of && of <= PARTS_MAX) return { kind: 'part', part, of };
    throw new SalvorError(`Not a part: "${text}"`, {
      code: 'Usage',
      hint: `Give N/M with N from 1 to M, and M at most ${PARTS_MAX}.`,
    });
  }
  const limit = parseSizeLimit(text);
  if (limit.kind === 'unlimited' || (limit.kind === 'percent' && limit.percent === 0))
    throw new SalvorError(`Not a subset: "${text}"`, { code: 'Usage', hint: 'Give for instance 3/10, 5% or 20GiB.' });
  return limit;
}

/** The packs to read. At least one of a share or size, however small; `random` is uniform in [0, 1). */
export function choosePacks(
  packs: ReadonlyMap<string, number>,
  subset: ReadSubset,
  random: () => number,
): ReadonlySet<string> {
  const ids = [...packs.keys()];
  if (subset.kind === 'part')
    return new Set(ids.filter((id) => Number.parseInt(id.slice(0, 2), 16) % subset.of === subset.part - 1));
  const total = [...packs.values()].reduce((sum, bytes) => sum + bytes, 0);
  const most = subset.kind === 'bytes' ? subset.bytes : (total * subset.percent) / 100;
  const chosen = new Set<string>();
  let bytes = 0;
  for (const id of shuffled(ids, random)) {
    if (bytes >= most) break;
    chosen.add(id);
    bytes += packs.get(id) ?? 0;
  }
  return chosen;
}

/** Fisher and Yates. */
function shuffled(ids: readonly string[], random: () => number): string[] {
  const all = [...ids];
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [all[last], all[other]] = [all[other] as string, all[last] as string];
  }
  return all;
}
