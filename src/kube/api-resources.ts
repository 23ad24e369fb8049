import { mapLimit } from '#shared/async';
import { messageOf } from '#shared/errors';
import { isNotFound } from './client.ts';
import type { KubeClient } from './client.ts';
import { resourceName } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';

/** Group lists are small; more at once only queues in the API server. */
const requestsMax = 8;

export interface ServedResources {
  /** Every kind once, in the version its group prefers, or else in the first that serves it; each able to be listed. */
  readonly resources: readonly Resource[];
  /** Groups that could not be asked, for instance because their aggregated API server is down. */
  readonly unavailable: readonly { readonly groupVersion: string; readonly reason: string }[];
}

interface ApiResourceList {
  readonly groupVersion: string;
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

interface ApiGroupList {
  readonly groups?: readonly {
    readonly name: string;
    readonly preferredVersion: GroupVersion;
    readonly versions: readonly GroupVersion[];
  }[];
}

interface GroupVersion {
  readonly groupVersion: string;
}

/** Asks the API server for every kind of object that can be listed. */
export async function servedResources(client: KubeClient, signal?: AbortSignal): Promise<ServedResources> {
  const groups = (await client.request({ method: 'GET', path: '/apis', signal })) as ApiGroupList;
  // A kind may be served in a version that its group does not prefer, and only there: all versions are asked.
  const versions = (groups.groups ?? []).flatMap((group) => [group.preferredVersion, ...group.versions]);
  const asked = [...new Set(['v1', ...versions.map((version) => version.groupVersion)])];
  const unavailable: { groupVersion: string; reason: string }[] = [];
  const lists = await mapLimit(
    asked,
    requestsMax,
    async (groupVersion, both) => {
      try {
        const path = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`;
        return listable((await client.request({ method: 'GET', path, signal: both })) as ApiResourceList, groupVersion);
      } catch (error) {
        if (both.aborted) throw error;
        unavailable.push({ groupVersion, reason: messageOf(error) });
        return [];
      }
    },
    signal,
  );
  const byKind = new Map<string, Resource>();
  for (const resource of lists.flat()) {
    const name = resourceName(resource);
    if (!byKind.has(name)) byKind.set(name, resource);
  }
  return { resources: [...byKind.values()], unavailable };
}

function listable(list: ApiResourceList, groupVersion: string): Resource[] {
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  const version = groupVersion.slice(slash + 1);
  return (list.resources ?? [])
    .filter(
      (resource) => !resource.name.includes('/') && resource.verbs.includes('list') && resource.verbs.includes('get'),
    )
    .map((resource) => ({
      group,
      version,
      kind: resource.kind,
      plural: resource.name,
      namespaced: resource.namespaced,
    }));
}

/** Finds how the API server serves an object's kind in the object's own version; undefined if it does not. Asks once per version. */
export function resourceFinder(
  client: KubeClient,
): (object: KubeObject, signal?: AbortSignal) => Promise<Resource | undefined> {
  const lists = new Map<string, Promise<Resource[]>>();
  const listOf = async (groupVersion: string, signal?: AbortSignal): Promise<Resource[]> => {
    try {
      const path = groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
      return listable((await client.request({ method: 'GET', path, signal })) as ApiResourceList, groupVersion);
    } catch (error) {
      // Asked again the next time: the definition may have been created since.
      lists.delete(groupVersion);
      if (isNotFound(error)) return [];
      throw error;
    }
  };
  return async (object, signal) => {
    const { apiVersion } = object;
    let list = lists.get(apiVersion);
    if (list === undefined) lists.set(apiVersion, (list = listOf(apiVersion, signal)));
    return (await list).find((resource) => resource.kind === object.kind);
  };
}
