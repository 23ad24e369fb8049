import { kinds } from '#api/objects';
import type { KubeObject, Resource } from '#api/objects';
import { done, waiting } from '#execution/execute';
import type { Outcome } from '#execution/execute';
import type { KubeClient } from '#kube/client';

const apps = (kind: string, plural: string): Resource => ({
  group: 'apps',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
});
const workloadKinds = [
  apps('Deployment', 'deployments'),
  apps('StatefulSet', 'statefulsets'),
  apps('DaemonSet', 'daemonsets'),
];

/** Databases replay their logs and replicas catch up; then a workload that is still not ready needs a person. */
const patienceMs = 180_000;

interface Workload extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly numberReady?: number;
    readonly desiredNumberScheduled?: number;
  };
}

/** Waits until every workload of the namespace has the pods it wants, ready. */
export async function ensureReady(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<Outcome<{ kind: 'ready'; workloads: number }>> {
  const lists = await Promise.all(
    workloadKinds.map(async (resource) => Array.fromAsync(client.list<Workload>(resource, { namespace, signal }))),
  );
  const workloads = lists.flat();
  const unready = workloads.filter((workload) => !isReady(workload));
  if (unready.length === 0) return done({ kind: 'ready', workloads: workloads.length });
  const names = unready.map((workload) => `${workload.kind.toLowerCase()}/${workload.metadata.name}`).join(', ');
  return waiting(`${names}${await reasons(client, namespace, signal)}`, 500, { patienceMs });
}

function isReady(workload: Workload): boolean {
  const { status, metadata } = workload;
  if (status?.observedGeneration !== metadata.generation) return false;
  const wanted = workload.kind === 'DaemonSet' ? (status?.desiredNumberScheduled ?? 0) : (workload.spec?.replicas ?? 1);
  const ready = workload.kind === 'DaemonSet' ? status?.numberReady : status?.readyReplicas;
  return (ready ?? 0) >= wanted;
}

/** Why pods do not start, in the words of the kubelet, for the first that tells. */
async function reasons(client: KubeClient, namespace: string, signal: AbortSignal): Promise<string> {
  for await (const pod of client.list(kinds.pods, { namespace, signal })) {
    const statuses =
      ((pod['status'] ?? {}) as { containerStatuses?: { state?: { waiting?: { reason?: string } } }[] })
        .containerStatuses ?? [];
    const reason = statuses
      .map((one) => one.state?.waiting?.reason)
      .find((one) => one !== undefined && one !== 'ContainerCreating' && one !== 'PodInitializing');
    if (reason !== undefined) return ` (${pod.metadata.name}: ${reason})`;
  }
  return '';
}
