import type { KubeObject } from '#api/objects';
import { at, record, records, text, textMap, texts } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { matchesSelector } from '../selector.ts';
import type { ProtectionDetector, ProtectionInput } from './detector.ts';
import { claimsIn, healthOf, protectionBy, skippedBy } from './doing.ts';
import type { But } from './doing.ts';

const namespaceKey = 'k10.kasten.io/appNamespace';

/**
 * Kasten's Policies: a selector over namespaces (`k10.kasten.io/appNamespace`) or their labels, an action `backup` that makes
 * snapshots, and an action `export` without which these stay in the storage system. A policy without a frequency of its own or
 * of its preset runs on demand only. Source: docs.kasten.io, "Policies", "Policy API Type".
 */
export const kasten: ProtectionDetector = {
  tool: 'kasten',
  detect: (input) =>
    input.index.all('Policy.config.kio.kasten.io').flatMap((policy) => {
      const actions = records(at(policy['spec'], 'actions'));
      const backup = actions.find((one) => one['action'] === 'backup');
      if (backup === undefined) return [];
      const isExported = actions.some((one) => one['action'] === 'export');
      const filters = record(at(backup, 'backupParameters', 'filters'));
      return claimsIn(input.assets, (namespace) => covers(input, policy, namespace)).map((asset) => {
        const common = { tool: 'kasten', object: policy, asset };
        if (isFiltered(filters, asset.volume?.claim ?? '', asset.volume?.labels ?? {}))
          return skippedBy({
            ...common,
            how: 'covers its namespace and leaves it out by its filters',
            field: 'spec.actions[backup].backupParameters.filters',
            value: JSON.stringify(filters).slice(0, 200),
          });
        return protectionBy({
          ...common,
          how: 'makes a snapshot of it and exports that',
          field: 'spec.frequency',
          value: frequencyOf(input, policy) ?? 'not set',
          but: [health(input, policy), isExported ? undefined : staysInStorage],
        });
      });
    }),
};

const staysInStorage: But = {
  trouble: 'sameStorage',
  says: 'makes snapshots that stay in the storage system, and exports none',
  field: 'spec.actions',
  value: 'backup',
};

function covers({ index }: ProtectionInput, policy: KubeObject, namespace: string): boolean {
  const selector = record(at(policy['spec'], 'selector'));
  const labels = index.get('Namespace', '', namespace)?.metadata.labels ?? {};
  const named = textMap(selector['matchLabels'])[namespaceKey];
  if (named !== undefined && (named === namespace || named === '*')) return true;
  return Object.keys(selector).length > 0 && matchesSelector(selector, { ...labels, [namespaceKey]: namespace });
}

/** Filters are lists of resource selectors; the claim is left out if it is excluded, or not among what is included. */
function isFiltered(filters: Fields, claim: string, labels: Readonly<Record<string, string>>): boolean {
  const fits = (one: Fields): boolean => {
    const resource = text(one['resource']);
    const isClaim = resource === undefined || /^(persistentvolumeclaims?|pvc)$/i.test(resource);
    const name = text(one['name']);
    const selector = record(
      one['matchLabels'] === undefined ? one['labelSelector'] : { matchLabels: one['matchLabels'] },
    );
    return isClaim && (name === undefined || name === claim) && matchesSelector(selector, labels);
  };
  const included = records(filters['includeResources']);
  return records(filters['excludeResources']).some(fits) || (included.length > 0 && !included.some(fits));
}

function frequencyOf({ index }: ProtectionInput, policy: KubeObject): string | undefined {
  const own = text(at(policy['spec'], 'frequency'));
  const preset = text(at(policy['spec'], 'presetRef', 'name'));
  if (own !== undefined || preset === undefined) return own;
  const namespace = text(at(policy['spec'], 'presetRef', 'namespace')) ?? policy.metadata.namespace ?? '';
  return text(at(index.get('PolicyPreset.config.kio.kasten.io', namespace, preset)?.['spec'], 'frequency'));
}

function health(input: ProtectionInput, policy: KubeObject): But | undefined {
  const frequency = frequencyOf(input, policy);
  if (frequency === undefined || frequency === '@onDemand')
    return { trouble: 'paused', says: 'runs on demand only', field: 'spec.frequency', value: frequency ?? 'not set' };
  const runs = input.index
    .all('RunAction.actions.kio.kasten.io')
    .filter((run) => text(at(run['spec'], 'subject', 'name')) === policy.metadata.name)
    .toSorted((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1));
  const state = text(at(runs[0]?.['status'], 'state'));
  const good = runs.find((run) => at(run['status'], 'state') === 'Complete');
  const validation = text(at(policy['status'], 'validation'));
  const errors = texts(at(policy['status'], 'errors'));
  return healthOf(input, {
    paused: { field: 'spec.paused', value: at(policy['spec'], 'paused') },
    // Runs are listed by an aggregated API server: where none is seen, nothing is known.
    ...(runs.length === 0
      ? {}
      : { succeeded: { field: 'RunAction status.state', value: good?.metadata.creationTimestamp } }),
    failed:
      state === 'Failed'
        ? { field: 'RunAction status.state', value: state }
        : validation === 'Failed' || errors.length > 0
          ? { field: 'status.validation', value: errors[0] ?? 'Failed' }
          : undefined,
  });
}
