import type { Skip } from '#api/ledger';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';

/**
 * The order in which objects come back, so that nothing starts before what it needs: first what the cluster must
 * know, then accounts, rights and configuration, then the volumes with their data, then names in the network, then
 * workloads, and what steers workloads last. Kinds that Salvor does not know may start pods: they go with workloads.
 */
export const phases = ['cluster', 'foundation', 'claims', 'network', 'workloads', 'steering'] as const;
export type Phase = (typeof phases)[number];

const phaseOfKind: Readonly<Record<string, Phase>> = {
  ServiceAccount: 'foundation',
  Secret: 'foundation',
  ConfigMap: 'foundation',
  'Role.rbac.authorization.k8s.io': 'foundation',
  'RoleBinding.rbac.authorization.k8s.io': 'foundation',
  LimitRange: 'foundation',
  ResourceQuota: 'foundation',
  // Before any pod: a restored application must not be open to what its policies forbid, not for a second.
  'NetworkPolicy.networking.k8s.io': 'foundation',
  PersistentVolumeClaim: 'claims',
  Service: 'network',
  'Ingress.networking.k8s.io': 'network',
  'PodDisruptionBudget.policy': 'network',
  PodTemplate: 'network',
  'HorizontalPodAutoscaler.autoscaling': 'steering',
};

export function phaseOf(object: KubeObject, scope: 'namespace' | 'cluster'): Phase {
  return scope === 'cluster' ? 'cluster' : (phaseOfKind[groupKindOf(object)] ?? 'workloads');
}

interface RestoreRule {
  readonly name: string;
  readonly applies: (object: KubeObject) => string | undefined;
}

/** Which stored objects are not created again, and why; the first rule that answers decides. */
export const restoreRules: readonly RestoreRule[] = [
  {
    name: 'namespaceComesFirst',
    applies: (object) =>
      groupKindOf(object) === 'Namespace' ? 'The namespace is created before everything in it.' : undefined,
  },
  {
    name: 'finishedJob',
    applies: (object) => {
      const conditions = ((object['status'] as { conditions?: { type: string; status: string }[] } | undefined)
        ?.conditions ?? []) as { type: string; status: string }[];
      const ended = conditions.find(
        (condition) => (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True',
      );
      return groupKindOf(object) === 'Job.batch' && ended !== undefined
        ? 'It had ended: creating it would run it once more.'
        : undefined;
    },
  },
  {
    name: 'finishedPod',
    applies: (object) => {
      const phase = (object['status'] as { phase?: string } | undefined)?.phase;
      return groupKindOf(object) === 'Pod' && (phase === 'Succeeded' || phase === 'Failed')
        ? 'It had ended.'
        : undefined;
    },
  },
];

export function restoreSkipOf(object: KubeObject): Skip | undefined {
  for (const rule of restoreRules) {
    const reason = rule.applies(object);
    if (reason !== undefined)
      return { what: `${object.kind.toLowerCase()}/${object.metadata.name}`, rule: rule.name, reason };
  }
  return undefined;
}
