import type { Ledger, LedgerAsset, Skip } from '#api/ledger';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { SalvorError } from '#shared/errors';
import type { StoredObjects } from './load-objects.ts';
import { phaseOf, phases, restoreSkipOf } from './order.ts';
import type { Phase } from './order.ts';

export type VolumeAsset = LedgerAsset & { readonly volume: NonNullable<LedgerAsset['volume']> };

export type RestoreStep = {
  readonly id: string;
  readonly title: string;
  readonly dependsOn: readonly string[];
  readonly after?: readonly string[];
} & (
  | { readonly kind: 'PrepareNamespace' }
  | { readonly kind: 'ApplyObjects'; readonly phase: Phase; readonly objects: readonly string[] }
  | { readonly kind: 'RestoreVolume'; readonly claim: string }
  | { readonly kind: 'WaitReady' }
);

/** A restore before it runs: printed by `--dry-run`, executed otherwise. */
export interface RestorePlan {
  readonly apiVersion: 'salvor.dev/v1alpha1';
  readonly kind: 'RestorePlan';
  readonly point: string;
  readonly namespace: string;
  readonly volumes: readonly VolumeAsset[];
  readonly skipped: readonly Skip[];
  readonly steps: readonly RestoreStep[];
}

/** Pure: the steps that bring a recovery point back. Refuses a partial point unless the user accepts what is missing. */
export function planRestore(
  ledger: Ledger,
  stored: StoredObjects,
  options: { readonly acceptPartial: boolean },
): RestorePlan {
  const lost = ledger.assets.filter((asset) => asset.result !== 'Captured');
  if (lost.length > 0 && !options.acceptPartial) {
    throw new SalvorError(
      `Recovery point ${ledger.point} is partial: ${lost.map((asset) => `${asset.name} is ${asset.result.toLowerCase()}`).join(', ')}`,
      {
        code: 'Unsafe',
        hint: 'Choose a complete one (salvor get recoverypoints), or accept the loss with --accept-partial.',
      },
    );
  }
  const volumes = ledger.assets.filter(
    (asset): asset is VolumeAsset => asset.volume !== undefined && asset.result !== 'Missing',
  );
  const restoredClaims = new Set(volumes.map((asset) => asset.volume.claim));
  const skipped: Skip[] = lost
    .filter((asset) => asset.result === 'Missing')
    .map((asset) => ({ what: asset.name, rule: 'notCaptured', reason: 'The recovery point does not hold it.' }));
  const byPhase = new Map<Phase, string[]>(phases.map((phase) => [phase, []]));
  const place = (object: KubeObject, scope: 'namespace' | 'cluster'): void => {
    const skip = restoreSkipOf(object);
    if (skip !== undefined) skipped.push(skip);
    else if (!(groupKindOf(object) === 'PersistentVolumeClaim' && restoredClaims.has(object.metadata.name)))
      byPhase.get(phaseOf(object, scope))?.push(objectKey(object));
  };
  for (const object of stored.cluster) place(object, 'cluster');
  for (const object of stored.objects) place(object, 'namespace');
  return {
    apiVersion: 'salvor.dev/v1alpha1',
    kind: 'RestorePlan',
    point: ledger.point,
    namespace: ledger.namespace,
    volumes,
    skipped: skipped.filter((skip) => skip.rule !== 'namespaceComesFirst'),
    steps: steps(ledger.namespace, volumes, byPhase),
  };
}

/** Names an object within a plan. */
export function objectKey(object: KubeObject): string {
  return `${object.apiVersion}/${object.kind}/${object.metadata.name}`;
}

function steps(
  namespace: string,
  volumes: readonly VolumeAsset[],
  byPhase: ReadonlyMap<Phase, readonly string[]>,
): RestoreStep[] {
  const apply = (phase: Phase, dependsOn: readonly string[], after: readonly string[] = []): RestoreStep => {
    const objects = byPhase.get(phase) ?? [];
    return {
      id: phase,
      kind: 'ApplyObjects',
      phase,
      objects,
      title: `${objects.length} objects: ${phase}`,
      dependsOn,
      after,
    };
  };
  const moves = volumes.map((asset): RestoreStep => ({
    id: `volume/${asset.name}`,
    kind: 'RestoreVolume',
    claim: asset.volume.claim,
    title: asset.name,
    dependsOn: ['namespace', 'cluster'],
  }));
  return [
    { id: 'namespace', kind: 'PrepareNamespace', title: `namespace ${namespace}`, dependsOn: [] },
    apply('cluster', ['namespace']),
    apply('foundation', ['cluster']),
    ...moves,
    apply('claims', ['foundation']),
    apply('network', ['foundation']),
    // Data before pods: a database that starts on an empty volume would initialise it.
    apply('workloads', ['claims', 'network', ...moves.map((step) => step.id)]),
    apply('steering', ['workloads']),
    { id: 'ready', kind: 'WaitReady', title: 'workloads to be ready', dependsOn: ['steering'] },
  ];
}
