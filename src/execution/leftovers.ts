import { kinds } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import { isNotFound } from '#kube/client';
import type { KubeClient } from '#kube/client';
import { waitFor } from '#shared/async';
import { SalvorError, messageOf } from '#shared/errors';
import { systemNamespace } from './names.ts';

/** Storage drivers delete snapshots in the background; more than this and something is stuck. */
const goneTimeoutMs = 90_000;

export interface Sweep {
  /** Label selector of what is to go. */
  readonly selector: string;
  /** The application's namespace, where snapshots are made. */
  readonly namespace: string;
  /** The label that a group snapshot selected claims by. */
  readonly claimLabel?: string;
  readonly signal: AbortSignal;
}

/** A group snapshot takes a second; a driver that needs longer than this is not waited for. */
const groupTimeoutMs = 30_000;

/** In this order: pods let go of volumes, volumes of snapshots, snapshots of the storage. */
const ownKinds: readonly Resource[] = [
  kinds.jobs,
  kinds.pods,
  kinds.claims,
  kinds.snapshots,
  kinds.snapshotContents,
  kinds.secrets,
];
const applicationKinds: readonly Resource[] = [kinds.groupSnapshots, kinds.snapshots];

/** Deletes everything that matches, waits until it is gone, and answers what could not be removed, in words. */
export async function sweep(client: KubeClient, options: Sweep): Promise<string[]> {
  const { signal, namespace } = options;
  const problems: string[] = [];
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      signal.throwIfAborted();
      // Each kind would wait for the API server again.
      if (error instanceof SalvorError && error.code === 'ClusterUnreachable') throw error;
      problems.push(messageOf(error));
    }
  };
  await attempt(async () => unlabelClaims(client, options));
  for (const resource of ownKinds) await attempt(async () => deleteAll(client, resource, systemNamespace, options));
  for (const resource of applicationKinds) await attempt(async () => deleteAll(client, resource, namespace, options));
  try {
    await waitFor(async () => ((await remaining(client, options)).length === 0 ? true : undefined), {
      what: 'leftovers to go',
      timeoutMs: goneTimeoutMs,
      intervalMs: 250,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    const left = await remaining(client, options).catch(() => [messageOf(error)]);
    problems.push(...left.map((one) => `still there: ${one}`));
  }
  return problems;
}

/** Everything in the cluster that matches, as `kind/namespace/name`. */
export async function remaining(client: KubeClient, options: Omit<Sweep, 'claimLabel'>): Promise<string[]> {
  const places = [
    ...ownKinds.map((resource) => [resource, systemNamespace] as const),
    ...applicationKinds.map((resource) => [resource, options.namespace] as const),
  ];
  const found: string[] = [];
  for (const [resource, namespace] of places) {
    for (const object of await listMatching(client, resource, namespace, options)) {
      found.push(
        [resource.plural, object.metadata.namespace, object.metadata.name]
          .filter((part) => part !== undefined)
          .join('/'),
      );
    }
  }
  return found;
}

async function deleteAll(client: KubeClient, resource: Resource, namespace: string, options: Sweep): Promise<void> {
  const objects = await listMatching(client, resource, namespace, options);
  await Promise.all(
    objects.map(async (object) => {
      if (resource === kinds.groupSnapshots) await groupSettled(client, object, options.signal);
      if (namespace === options.namespace) await deleteWithStorage(client, resource, object, options.signal);
      await client.delete(resource, object.metadata, options.signal);
    }),
  );
}

/**
 * Waits until a group snapshot is made, or has failed: one that is deleted while it is being made stays for ever, with its
 * finalizer and its content (seen with external-snapshotter 8.7).
 */
async function groupSettled(client: KubeClient, group: KubeObject, signal: AbortSignal): Promise<void> {
  const isSettled = async (): Promise<true | undefined> => {
    const current = await client.get(kinds.groupSnapshots, group.metadata, signal);
    const status = (current?.['status'] ?? {}) as { readyToUse?: boolean; error?: object };
    const deleting = current?.metadata.deletionTimestamp !== undefined;
    return current === undefined || deleting || status.readyToUse === true || status.error !== undefined
      ? true
      : undefined;
  };
  const bound = { what: 'the group snapshot to be made', timeoutMs: groupTimeoutMs, intervalMs: 100, signal };
  // One that is never made can only be deleted as it is.
  await waitFor(isSettled, bound).catch(() => signal.throwIfAborted());
}

/** A class may say that the storage keeps a snapshot whose object is deleted. Ours are temporary: they go with it. */
async function deleteWithStorage(
  client: KubeClient,
  resource: Resource,
  object: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const status = (object['status'] ?? {}) as {
    boundVolumeSnapshotContentName?: string;
    boundVolumeGroupSnapshotContentName?: string;
  };
  const name = status.boundVolumeGroupSnapshotContentName ?? status.boundVolumeSnapshotContentName;
  if (name === undefined) return;
  const content = resource === kinds.groupSnapshots ? kinds.groupSnapshotContents : kinds.snapshotContents;
  try {
    await client.patch(content, { name }, { spec: { deletionPolicy: 'Delete' } }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function unlabelClaims(client: KubeClient, options: Sweep): Promise<void> {
  const { claimLabel, namespace, signal } = options;
  if (claimLabel === undefined) return;
  for await (const claim of client.list(kinds.claims, { namespace, labelSelector: claimLabel, signal })) {
    await client.patch(kinds.claims, claim.metadata, { metadata: { labels: { [claimLabel]: null } } }, signal);
  }
}

async function listMatching(
  client: KubeClient,
  resource: Resource,
  namespace: string,
  options: Pick<Sweep, 'selector' | 'signal'>,
): Promise<KubeObject[]> {
  try {
    return await Array.fromAsync(
      client.list(resource, {
        ...(resource.namespaced ? { namespace } : {}),
        labelSelector: options.selector,
        signal: options.signal,
      }),
    );
  } catch (error) {
    // The cluster has no such kind, so none of it is left.
    if (isNotFound(error)) return [];
    throw error;
  }
}
