import type { KubeClient } from '#kube/client';
import { groupKindOf } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import type { CapturedObject } from './inventory.ts';

const builtinGroups = /(^|\.)k8s\.io$/;
const plainGroups = new Set(['', 'apps', 'batch', 'autoscaling', 'policy', 'extensions']);

/**
 * Objects outside the namespace without which its objects mean nothing: definitions of custom kinds, cluster
 * roles bound to its service accounts, priority and storage classes. A restore makes those that are absent and
 * leaves the others as they are.
 */
export async function clusterDependencies(
  client: KubeClient,
  objects: readonly CapturedObject[],
  resources: readonly Resource[],
  signal: AbortSignal,
): Promise<CapturedObject[]> {
  const find = (kind: string): Resource | undefined =>
    resources.find((resource) => resource.kind === kind && !resource.namespaced);
  const wanted = new Map<string, { resource: Resource; name: string }>();
  const want = (kind: string, name: unknown): void => {
    const resource = find(kind);
    if (resource !== undefined && typeof name === 'string' && name !== '')
      wanted.set(`${kind}/${name}`, { resource, name });
  };
  for (const { resource, object } of objects) {
    if (!plainGroups.has(resource.group) && !builtinGroups.test(resource.group))
      want('CustomResourceDefinition', `${resource.plural}.${resource.group}`);
    for (const [kind, name] of namedClasses(object)) want(kind, name);
  }
  const bindings = await boundClusterRoles(client, find('ClusterRoleBinding'), objects, signal);
  for (const { object } of bindings) want('ClusterRole', (object['roleRef'] as { name?: string }).name);
  const found: CapturedObject[] = [...bindings];
  for (const { resource, name } of wanted.values()) {
    const object = await client.get(resource, { name }, signal);
    if (object !== undefined && !isBuiltin(object))
      found.push({ resource, object: { ...object, kind: resource.kind } });
  }
  return found;
}

function namedClasses(object: KubeObject): [string, unknown][] {
  const spec = (object['spec'] ?? {}) as Record<string, unknown>;
  const template = (spec['template'] as { spec?: Record<string, unknown> } | undefined)?.spec ?? spec;
  const roleRef = object['roleRef'] as { kind?: string; name?: string } | undefined;
  return [
    ['PriorityClass', template['priorityClassName']],
    ['RuntimeClass', template['runtimeClassName']],
    ['StorageClass', groupKindOf(object) === 'PersistentVolumeClaim' ? spec['storageClassName'] : undefined],
    ['IngressClass', spec['ingressClassName']],
    ['ClusterRole', roleRef?.kind === 'ClusterRole' ? roleRef.name : undefined],
  ];
}

async function boundClusterRoles(
  client: KubeClient,
  resource: Resource | undefined,
  objects: readonly CapturedObject[],
  signal: AbortSignal,
): Promise<CapturedObject[]> {
  if (resource === undefined) return [];
  const accounts = new Set(
    objects
      .filter(({ object }) => groupKindOf(object) === 'ServiceAccount')
      .map(({ object }) => `${object.metadata.namespace}/${object.metadata.name}`),
  );
  const bound: CapturedObject[] = [];
  for await (const object of client.list(resource, { signal })) {
    const subjects = (object['subjects'] ?? []) as { kind?: string; namespace?: string; name?: string }[];
    if (
      subjects.some(
        (subject) => subject.kind === 'ServiceAccount' && accounts.has(`${subject.namespace}/${subject.name}`),
      )
    )
      bound.push({ resource, object });
  }
  return bound;
}

/** Objects every cluster makes for itself. */
function isBuiltin(object: KubeObject): boolean {
  return (
    object.metadata.labels?.['kubernetes.io/bootstrapping'] !== undefined ||
    object.metadata.name.startsWith('system:') ||
    object.metadata.name.startsWith('system-')
  );
}
