import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { done, failed, waiting } from '#execution/execute';
import type { Outcome } from '#execution/execute';
import type { KubeClient } from '#kube/client';
import { SalvorError } from '#shared/errors';
import { sanitize } from './sanitize.ts';

/** On a namespace while a restore fills it: the recovery point's name. A restore of the same point may go on with it. */
export const restoringAnnotation = 'salvor.dev/restoring';
export const restoredAnnotation = 'salvor.dev/restored-from';

/** Namespaces take a while to end: their pods get their grace period. */
const terminatingPatienceMs = 120_000;

/** Refuses a namespace that exists, unless an earlier restore of the same point was cut off in it. */
export async function ensureNamespace(
  client: KubeClient,
  target: { readonly point: string; readonly name: string; readonly object: KubeObject | undefined },
  signal: AbortSignal,
): Promise<Outcome<{ kind: 'namespace' }>> {
  const { point, name, object: stored } = target;
  const existing = await client.get(kinds.namespaces, { name }, signal);
  if (existing?.metadata.deletionTimestamp !== undefined) {
    return waiting(`namespace ${name} to be gone: it is being deleted`, 500, { patienceMs: terminatingPatienceMs });
  }
  if (existing !== undefined) {
    return existing.metadata.annotations?.[restoringAnnotation] === point
      ? done({ kind: 'namespace' })
      : failed(targetExists(name));
  }
  const clean = stored === undefined ? { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } : sanitize(stored);
  const annotations = { ...clean.metadata.annotations, [restoringAnnotation]: point };
  await client.create(kinds.namespaces, { ...clean, metadata: { ...clean.metadata, name, annotations } }, signal);
  return done({ kind: 'namespace' });
}

export function targetExists(name: string): SalvorError {
  return new SalvorError(`Namespace ${name} exists`, {
    code: 'TargetExists',
    hint: `A restore does not overwrite: delete it first if it is not needed (kubectl delete namespace ${name}), then run again.`,
  });
}

/** Marks the namespace as wholly restored, so that a later restore does not take it for an unfinished one. */
export async function finishNamespace(
  client: KubeClient,
  point: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await client.patch(
    kinds.namespaces,
    { name },
    { metadata: { annotations: { [restoringAnnotation]: null, [restoredAnnotation]: point } } },
    signal,
  );
}
