import type { Unseen } from '#api/asset';
import { groupKindOf, kinds, pathOf, resourceName } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import { servedResources } from '#kube/api-resources';
import type { KubeClient } from '#kube/client';
import { mapLimit } from '#shared/async';
import { SalvorError, isAbort, messageOf } from '#shared/errors';
import { at, record, records, textMap } from '../fields.ts';
import { normalize } from './normalize.ts';
import { redact } from './redact.ts';
import type { Snapshot } from './snapshot.ts';

/** Lists go to different kinds: more at once only queue in the API server. */
const listsMax = 4;
const pageSize = 250;
/** Services that lead out of the cluster are few; each costs a request. */
const endpointsMax = 200;

/** Served twice, measured, or made anew all the time: nothing of it is data. */
const skippedKinds = new Set([
  'Event',
  'Event.events.k8s.io',
  'Lease.coordination.k8s.io',
  'ControllerRevision.apps',
  'Endpoints',
  'EndpointSlice.discovery.k8s.io',
  'ComponentStatus',
  'CustomResourceDefinition.apiextensions.k8s.io',
  'CSIStorageCapacity.storage.k8s.io',
  'CSINode.storage.k8s.io',
  'APIService.apiregistration.k8s.io',
]);
const measurementGroups = /(^|\.)metrics\.k8s\.io$/;
/** Kinds of the cluster itself of which only names, labels and owners matter. */
const metadataGroups = new Set([
  'rbac.authorization.k8s.io',
  'networking.k8s.io',
  'policy',
  'autoscaling',
  'admissionregistration.k8s.io',
  'scheduling.k8s.io',
  'node.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'certificates.k8s.io',
  'resource.k8s.io',
  'gateway.networking.k8s.io',
  // Reports and states that controllers write in great number, and large.
  'aquasecurity.github.io',
  'wgpolicyk8s.io',
  'reports.kyverno.io',
  'cilium.io',
  'crd.projectcalico.org',
]);
const metadataKinds = new Set([
  'ReplicaSet.apps',
  'Node',
  'ServiceAccount',
  'ResourceQuota',
  'LimitRange',
  'Namespace',
]);
const metadataList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

export interface ClusterScope {
  /** Only this namespace, for users who may not list more. */
  readonly namespace?: string | undefined;
  /** What is being read, for a progress line. */
  readonly onProgress: (text: string) => void;
}

/** Groups that only tell how storage is made. */
const storageGroups = new Set([
  'storage.k8s.io',
  'snapshot.storage.k8s.io',
  'groupsnapshot.storage.k8s.io',
  'storagemigration.k8s.io',
]);

/**
 * Reads a cluster with get and list only. What may not be read, or fails, is told, and counts as unknown. Throws
 * `ClusterForbidden`, or why the first list failed, if nothing of what may hold data can be read.
 */
export async function snapshotOfCluster(
  client: KubeClient,
  scope: ClusterScope,
  signal: AbortSignal,
): Promise<Snapshot> {
  const served = await servedResources(client, signal);
  const unseen: Unseen[] = served.unavailable
    .filter(({ groupVersion }) => !measurementGroups.test(groupVersion.split('/')[0] ?? ''))
    .map(({ groupVersion, reason }) => ({
      what: groupVersion,
      reason,
      hides: hides(groupVersion.split('/')[0] ?? ''),
    }));
  const wanted = served.resources.filter(
    (resource) => !measurementGroups.test(resource.group) && !skippedKinds.has(groupKind(resource)),
  );
  const refused: { resource: Resource; error: unknown }[] = [];
  let done = 0;
  const lists = await mapLimit(
    wanted,
    listsMax,
    async (resource, both) => {
      try {
        return await listKind(client, { resource, namespace: scope.namespace }, both);
      } catch (error) {
        if (isAbort(error)) throw error;
        refused.push({ resource, error });
        return [];
      } finally {
        scope.onProgress(`${++done} of ${wanted.length} kinds read`);
      }
    },
    signal,
  );
  const hidden = ({ group, kind, namespaced }: Resource): Unseen['hides'] =>
    scope.namespace !== undefined && !namespaced ? 'detail' : hides(group, kind);
  const holding = wanted.filter((resource) => hidden(resource) === 'data').length;
  const hiding = refused.filter(({ resource }) => hidden(resource) === 'data');
  if (hiding.length > 0 && hiding.length === holding) throw nothingSeen(scope, hiding[0]?.error);
  for (const { resource, error } of refused)
    unseen.push({ what: resourceName(resource), reason: messageOf(error), hides: hidden(resource) });
  const objects = lists.flat();
  objects.push(...(await writtenEndpoints(client, objects, signal)));
  return {
    source: `cluster ${client.connection.context}`,
    kind: 'cluster',
    objects,
    unseen: unseen.toSorted((a, b) => (a.what < b.what ? -1 : 1)),
  };
}

/** Whether assets may be among the objects of a kind, or only more about those that other kinds tell of. */
function hides(group: string, kind = ''): Unseen['hides'] {
  const known = metadataGroups.has(group) || storageGroups.has(group);
  return known || metadataKinds.has(group === '' ? kind : `${kind}.${group}`) ? 'detail' : 'data';
}

function nothingSeen({ namespace }: ClusterScope, cause: unknown): SalvorError {
  const where = namespace === undefined ? 'the cluster' : `namespace ${namespace}`;
  const code = cause instanceof SalvorError ? cause.code : 'ClusterUnreachable';
  return new SalvorError(`Nothing in ${where} can be listed`, {
    code,
    hint: 'Ask for the right to list, as the ClusterRole "view" gives it, or name a namespace of yours with -n.',
    cause,
  });
}

interface Listing {
  readonly resource: Resource;
  readonly namespace: string | undefined;
}

async function listKind(
  client: KubeClient,
  { resource, namespace }: Listing,
  signal: AbortSignal,
): Promise<KubeObject[]> {
  const kind = groupKind(resource);
  const onlyMetadata = metadataGroups.has(resource.group) || metadataKinds.has(kind);
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  const found: KubeObject[] = [];
  let next: string | undefined;
  do {
    const page = (await client.request({
      method: 'GET',
      path: pathOf(resource, { namespace }),
      query: {
        limit: String(pageSize),
        continue: next,
        // A release of Helm holds all of its manifests; nothing there is needed.
        fieldSelector: kind === 'Secret' ? 'type!=helm.sh/release.v1' : undefined,
      },
      ...(onlyMetadata ? { accept: metadataList } : {}),
      signal,
    })) as { readonly metadata?: { readonly continue?: string }; readonly items?: readonly unknown[] };
    for (const item of page.items ?? []) {
      const normalized = normalize({ ...trim(kind, record(item)), apiVersion, kind: resource.kind });
      if ('object' in normalized) found.push(redact(normalized.object));
    }
    next = page.metadata?.continue || undefined;
  } while (next !== undefined);
  return found;
}

/** Of pods only what tells who uses what; of the others all but the state that nobody reads. */
function trim(kind: string, item: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (kind === 'ConfigMap') return { ...item, binaryData: undefined };
  if (kind !== 'Pod') return item;
  const owned = records(at(item, 'metadata', 'ownerReferences')).some((owner) => owner['controller'] === true);
  const metadata = record(item['metadata']);
  const phase = at(item, 'status', 'phase');
  if (!owned) return { ...item, status: { phase } };
  // Its controller's template says the rest.
  return {
    metadata: {
      name: metadata['name'],
      namespace: metadata['namespace'],
      labels: metadata['labels'],
      annotations: metadata['annotations'],
      ownerReferences: metadata['ownerReferences'],
    },
    spec: templateOf(record(item['spec'])),
    status: { phase },
  };
}

const podFields = ['volumes', 'containers', 'initContainers', 'nodeName'] as const;
const containerFields = [
  'name',
  'image',
  'command',
  'args',
  'env',
  'envFrom',
  'ports',
  'volumeMounts',
  'volumeDevices',
  'restartPolicy',
  'readinessProbe',
  'livenessProbe',
] as const;

function templateOf(spec: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const container = (one: Readonly<Record<string, unknown>>): object =>
    Object.fromEntries(containerFields.map((field) => [field, one[field]]));
  const kept = Object.fromEntries(podFields.map((field) => [field, spec[field]]));
  return {
    ...kept,
    containers: records(spec['containers']).map(container),
    initContainers: records(spec['initContainers']).map(container),
  };
}

/** The addresses that someone wrote down for Services without a selector. */
async function writtenEndpoints(
  client: KubeClient,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<KubeObject[]> {
  const outside = objects
    .filter(
      (object) =>
        groupKindOf(object) === 'Service' &&
        Object.keys(textMap(at(object['spec'], 'selector'))).length === 0 &&
        at(object['spec'], 'externalName') === undefined,
    )
    .slice(0, endpointsMax);
  const endpoints: Resource = { ...kinds.pods, kind: 'Endpoints', plural: 'endpoints' };
  const found = await mapLimit(
    outside,
    listsMax,
    async ({ metadata }, both) => {
      try {
        return await client.get(endpoints, metadata, both);
      } catch (error) {
        if (isAbort(error)) throw error;
        // Without it the Service leads somewhere unknown, which is how it is judged then.
        return undefined;
      }
    },
    signal,
  );
  return found.flatMap((object) => {
    const normalized = normalize(object === undefined ? undefined : { ...object, apiVersion: 'v1', kind: 'Endpoints' });
    return 'object' in normalized ? [normalized.object] : [];
  });
}

function groupKind(resource: Resource): string {
  return resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
}
