import type { Issue, Skip } from '#api/ledger';
import { servedResources } from '#kube/api-resources';
import type { KubeClient } from '#kube/client';
import { kinds, resourceName } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import { skipOf } from '#planner/object-rules';
import type { Inventory } from '#planner/facts';
import { mapLimit } from '#shared/async';
import { SalvorError, isAbort, messageOf } from '#shared/errors';
import { claimFacts } from './claims.ts';
import { clusterDependencies } from './cluster-dependencies.ts';
import { unprotectedVolumes } from './unprotected-volumes.ts';

/** Lists go to different kinds: more at once only queue in the API server. */
const listsMax = 6;

/** Aggregated APIs whose objects are measurements; their server is often down and nothing is lost by it. */
const measurementGroups = new Set(['metrics.k8s.io', 'custom.metrics.k8s.io', 'external.metrics.k8s.io']);

/** Served twice, many, and never captured: not even listed. */
const eventResources = new Set(['events', 'events.events.k8s.io']);

/** An object together with the kind it was listed as. */
export interface CapturedObject {
  readonly resource: Resource;
  readonly object: KubeObject;
}

/** Everything of one namespace that a backup must know. */
export interface NamespaceContents {
  readonly inventory: Inventory;
  /** What will be stored: the namespace itself, its objects, and the cluster's objects they need. */
  readonly objects: readonly CapturedObject[];
  /** What could not be read. It counts as not captured. */
  readonly issues: readonly Issue[];
}

/** The namespace. Throws `NotFound` if there is none of that name. */
export async function requireNamespace(client: KubeClient, name: string, signal: AbortSignal): Promise<KubeObject> {
  const namespace = await client.get(kinds.namespaces, { name }, signal);
  if (namespace !== undefined) return namespace;
  throw new SalvorError(`There is no namespace "${name}" in this cluster`, {
    code: 'NotFound',
    hint: 'List them with: kubectl get namespaces',
  });
}

/** Reads a whole namespace. Throws `NotFound` if there is none of that name. */
export async function readNamespace(client: KubeClient, name: string, signal: AbortSignal): Promise<NamespaceContents> {
  const namespace = await requireNamespace(client, name, signal);
  const served = await servedResources(client, signal);
  const listed = await listAll(client, served.resources, name, signal);
  const issues: Issue[] = [
    ...listed.issues,
    ...served.unavailable
      .filter(({ groupVersion }) => !measurementGroups.has(groupVersion.split('/')[0] ?? ''))
      .map(({ groupVersion, reason }) => ({ path: groupVersion, code: 'ApiUnavailable', message: reason })),
  ];
  const kept: CapturedObject[] = [{ resource: kinds.namespaces, object: namespace }];
  const skipped: Skip[] = [];
  for (const captured of listed.objects) {
    const skip = skipOf(captured.object);
    if (skip === undefined) kept.push(captured);
    else skipped.push(skip);
  }
  const objects = [...kept, ...(await clusterDependencies(client, kept, served.resources, signal))];
  const claims = await claimFacts(client, listed.objects, signal);
  const volumes = unprotectedVolumes(listed.objects.map(({ object }) => object));
  return {
    inventory: { namespace: name, claims, objectCount: objects.length, skipped: [...volumes, ...skipped] },
    objects,
    issues,
  };
}

async function listAll(
  client: KubeClient,
  resources: readonly Resource[],
  namespace: string,
  signal: AbortSignal,
): Promise<{ objects: CapturedObject[]; issues: Issue[] }> {
  const issues: Issue[] = [];
  const namespaced = resources.filter(
    (resource) =>
      resource.namespaced && !measurementGroups.has(resource.group) && !eventResources.has(resourceName(resource)),
  );
  const lists = await mapLimit(
    namespaced,
    listsMax,
    async (resource, both) => {
      try {
        const objects: CapturedObject[] = [];
        for await (const object of client.list(resource, { namespace, signal: both }))
          objects.push({ resource, object });
        return objects;
      } catch (error) {
        if (isAbort(error)) throw error;
        issues.push({
          path: resourceName(resource),
          code: error instanceof SalvorError ? error.code : 'Internal',
          message: messageOf(error),
        });
        return [];
      }
    },
    signal,
  );
  return { objects: lists.flat(), issues };
}
