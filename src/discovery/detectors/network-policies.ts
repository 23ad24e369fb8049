import type { AssetBuilder } from '../builder.ts';
import { keyOf } from '../builder.ts';
import { at, record, records } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { matchesSelector } from '../selector.ts';
import type { Workload } from '../workloads.ts';
import { evidenceOf } from './support.ts';

/**
 * Who may talk to a database, where a NetworkPolicy for it alone names the pods: people write that down for those who do. Policies
 * for several servers, and those that let a whole namespace in, say nothing of use. Source: kubernetes.io, NetworkPolicy.
 */
export function detectAllowedUses(builder: AssetBuilder): void {
  for (const policy of builder.index.all('NetworkPolicy.networking.k8s.io')) {
    const { namespace = '' } = policy.metadata;
    const servers = selected(builder, record(at(policy['spec'], 'podSelector')), (one) => one === namespace).flatMap(
      (workload) => builder.serverOf(workload) ?? [],
    );
    const [server, another] = new Set(servers);
    if (server === undefined || another !== undefined) continue;
    for (const peer of records(at(policy['spec'], 'ingress')).flatMap((rule) => records(rule['from']))) {
      const pods = record(peer['podSelector']);
      if (Object.keys(pods).length === 0) continue;
      const users = selected(builder, pods, namespacesOf(builder, peer, namespace));
      const value = JSON.stringify(pods['matchLabels'] ?? pods['matchExpressions']).slice(0, 100);
      const evidence = [evidenceOf(policy, 'spec.ingress.from', value)];
      for (const user of users)
        if (builder.serverOf(user) !== server)
          builder.relate({ from: keyOf(user), to: server, type: 'uses', evidence });
    }
  }
}

/** Namespaces of a peer: by their labels, or else that of the policy. */
function namespacesOf(builder: AssetBuilder, peer: Fields, own: string): (namespace: string) => boolean {
  if (peer['namespaceSelector'] === undefined) return (namespace) => namespace === own;
  const selector = record(peer['namespaceSelector']);
  return (namespace) => {
    const labels = builder.index.get('Namespace', '', namespace)?.metadata.labels ?? {};
    return matchesSelector(selector, { 'kubernetes.io/metadata.name': namespace, ...labels });
  };
}

function selected(builder: AssetBuilder, selector: Fields, isIn: (namespace: string) => boolean): Workload[] {
  if (Object.keys(selector).length === 0) return [];
  return builder.workloads.filter((workload) => isIn(workload.namespace) && matchesSelector(selector, workload.labels));
}
