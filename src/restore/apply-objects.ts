import { isConflict } from '#kube/client';
import type { KubeClient } from '#kube/client';
import { resourceFinder } from '#kube/api-resources';
import { kinds, resourceName } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { mapLimit, waitFor } from '#shared/async';
import { isAbort, messageOf } from '#shared/errors';
import { sanitize } from './sanitize.ts';

/** Creates in flight: the API server takes about a thousand small objects a second from this many. */
const createsMax = 16;
const establishedTimeoutMs = 30_000;

/** What became of one object. */
export interface ObjectReport {
  /** `deployments.apps/web`. */
  readonly object: string;
  readonly result: 'created' | 'kept' | 'failed';
  /** Why it was kept or failed. */
  readonly reason?: string;
}

export interface ApplyContext {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly find: ReturnType<typeof resourceFinder>;
  readonly signal: AbortSignal;
}

/** Creates the objects, all at once; what exists is kept as it is. A failure of one is in the report and stops no other. */
export async function applyObjects(
  objects: readonly KubeObject[],
  scope: 'namespace' | 'cluster',
  context: ApplyContext,
): Promise<ObjectReport[]> {
  return mapLimit(
    objects,
    createsMax,
    async (object, both) => applyOne(object, scope, { ...context, signal: both }),
    context.signal,
  );
}

async function applyOne(
  stored: KubeObject,
  scope: 'namespace' | 'cluster',
  context: ApplyContext,
): Promise<ObjectReport> {
  const { client, signal } = context;
  let name = `${stored.kind.toLowerCase()}/${stored.metadata.name}`;
  try {
    const resource = await context.find(stored, signal);
    if (resource === undefined)
      return {
        object: name,
        result: 'failed',
        reason: `This cluster does not serve ${stored.apiVersion} ${stored.kind}.`,
      };
    name = `${resourceName(resource)}/${stored.metadata.name}`;
    const clean = sanitize(stored);
    const object =
      scope === 'namespace' ? { ...clean, metadata: { ...clean.metadata, namespace: context.namespace } } : clean;
    try {
      await client.create(resource, object, signal);
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (resourceName(resource) === 'serviceaccounts')
        await client.patch(resource, object.metadata, accountSettings(object), signal);
      return { object: name, result: 'kept', reason: 'It exists already.' };
    }
    if (resourceName(resource) === 'customresourcedefinitions.apiextensions.k8s.io')
      await established(client, object, signal);
    return { object: name, result: 'created' };
  } catch (error) {
    if (isAbort(error) || signal.aborted) throw error;
    return { object: name, result: 'failed', reason: messageOf(error) };
  }
}

/** The cluster makes the account "default" by itself; what the user had set on it comes on top. */
function accountSettings(object: KubeObject): unknown {
  const { labels, annotations } = object.metadata;
  return {
    metadata: { labels, annotations },
    imagePullSecrets: object['imagePullSecrets'],
    automountServiceAccountToken: object['automountServiceAccountToken'],
  };
}

/** Objects of a new kind are refused until its definition is established. */
async function established(client: KubeClient, definition: KubeObject, signal: AbortSignal): Promise<void> {
  const resource = {
    ...kinds.namespaces,
    group: 'apiextensions.k8s.io',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
  };
  await waitFor(
    async () => {
      const current = await client.get(resource, definition.metadata, signal);
      const conditions =
        ((current?.['status'] ?? {}) as { conditions?: { type: string; status: string }[] }).conditions ?? [];
      return conditions.some((condition) => condition.type === 'Established' && condition.status === 'True')
        ? true
        : undefined;
    },
    { what: `definition ${definition.metadata.name} to be established`, timeoutMs: establishedTimeoutMs, signal },
  );
}
