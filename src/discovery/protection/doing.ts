import type { Asset, Evidence, Protection, Trouble } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ProtectionInput } from './detector.ts';

/** What an object of a tool does to one asset, and what is the matter with it. */
export interface Doing {
  readonly tool: string;
  readonly object: KubeObject;
  readonly asset: Asset;
  /** As the end of the sentence "It ...": `copies it with restic every night`. */
  readonly how: string;
  readonly field: string;
  readonly value: string;
  /** Why nothing comes of it, or why it is not enough; the first that is there decides. */
  readonly but?: readonly (But | undefined)[];
}

export interface But {
  readonly trouble: Trouble;
  /** As the end of the sentence "It ...". */
  readonly says: string;
  readonly field: string;
  readonly value: string;
}

const failing: ReadonlySet<Trouble> = new Set(['paused', 'failing', 'neverRan']);

export function protectionBy({ tool, object, asset, how, field, value, but = [] }: Doing): Protection {
  const first = but.find((one) => one !== undefined);
  const common = { asset: asset.id, tool, by: nameOf(object), namespace: object.metadata.namespace ?? '' };
  const evidence = (where: string, what: string): Evidence[] => [
    { object: nameOf(object), namespace: common.namespace, field: where, value: what },
  ];
  if (first === undefined)
    return { ...common, state: 'full', reason: `${nameOf(object)} ${how}`, evidence: evidence(field, value) };
  return {
    ...common,
    state: failing.has(first.trouble) ? 'failing' : 'partial',
    trouble: first.trouble,
    reason: `${nameOf(object)} ${first.says}`,
    evidence: evidence(first.field, first.value),
  };
}

/** An object of a tool covers the asset, and its data is not copied. */
export function skippedBy({ tool, object, asset, how, field, value }: Omit<Doing, 'but'>): Protection {
  const { reason: _, ...rest } = protectionBy({ tool, object, asset, how, field, value });
  return { ...rest, state: 'skipped', reason: `${nameOf(object)} ${how}` };
}

const dayMs = 24 * 3_600_000;
/** A monthly schedule that works is not older. */
const ageMsMax = 32 * dayMs;

export interface Results {
  /** What stops it, as the value of a field: `true`. */
  readonly paused?: { readonly field: string; readonly value: unknown };
  /** When it last succeeded, RFC 3339, where the tool says that; `undefined` if it never did. */
  readonly succeeded?: { readonly field: string; readonly value: string | undefined };
  /** What the tool says of the last run, where that is a failure. */
  readonly failed?: { readonly field: string; readonly value: string } | undefined;
}

/** Whether anything comes of a schedule. Manifests have no results: there only what is written down can be told. */
export function healthOf(
  { index, nowMs }: Pick<ProtectionInput, 'index' | 'nowMs'>,
  { paused, succeeded, failed }: Results,
): But | undefined {
  if (paused?.value === true) return { trouble: 'paused', says: 'is paused', field: paused.field, value: 'true' };
  if (index.snapshot.kind !== 'cluster') return undefined;
  if (failed !== undefined)
    return {
      trouble: 'failing',
      says: `says of its last run: ${failed.value}`,
      field: failed.field,
      value: failed.value,
    };
  if (succeeded === undefined) return undefined;
  const { field, value } = succeeded;
  if (value === undefined) return { trouble: 'neverRan', says: 'has never succeeded', field, value: 'not set' };
  return nowMs - Date.parse(value) > ageMsMax
    ? { trouble: 'failing', says: `succeeded last more than ${ageMsMax / dayMs} days ago`, field, value }
    : undefined;
}

/** Copying the files of a server that runs gives files of different moments. */
export function hotCopy(asset: Asset, field: string, value: string): But | undefined {
  return asset.signs.some((sign) => sign.means === 'server-files')
    ? { trouble: 'hot', says: 'copies the files of a server while it writes to them', field, value }
    : undefined;
}

/** The claims of the namespaces that a tool selects, which are volumes with data of their own. */
export function claimsIn(assets: readonly Asset[], selects: (namespace: string) => boolean): Asset[] {
  return assets.filter(
    (asset) => asset.kind === 'volume' && asset.volume?.claim !== undefined && selects(asset.namespace),
  );
}
