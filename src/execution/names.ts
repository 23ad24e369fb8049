import { createHash } from 'node:crypto';

/** Where Salvor's own pods run. Applications' namespaces never see the store's credentials or the repository's key. */
export const systemNamespace = 'salvor-system';
/** On everything a run makes in the cluster: the run's name. What carries it and has no live run is a leftover. */
export const runLabel = 'salvor.dev/run';
/** On everything a run makes: the application it works on. */
export const applicationLabel = 'salvor.dev/application';
/** The asset a mover works on, shortened where labels allow less. */
export const assetLabel = 'salvor.dev/asset';
export const managedByLabels = { 'app.kubernetes.io/managed-by': 'salvor' } as const;

/** Names of Kubernetes objects end at 63 characters where they become labels or host names. */
const nameLengthMax = 52;

/** A readable, unique object name: the parts joined, cut, and a hash of the whole when something was cut. */
export function objectName(...parts: readonly string[]): string {
  const full = parts.join('-').toLowerCase();
  const clean = full.replaceAll(/[^a-z0-9-]/g, '-').replaceAll(/^-+|-+$/g, '');
  if (clean === full && full.length <= nameLengthMax) return full;
  const hash = createHash('sha256').update(full).digest('hex').slice(0, 8);
  return `${clean.slice(0, nameLengthMax - 9).replaceAll(/-+$/g, '')}-${hash}`;
}

/** Labels hold 63 characters of [A-Za-z0-9._-]; names of claims may be longer. */
export function labelValue(text: string): string {
  return /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text) ? text : objectName(text);
}

export function runLabels(run: string): Record<string, string> {
  return { ...managedByLabels, [runLabel]: labelValue(run) };
}
