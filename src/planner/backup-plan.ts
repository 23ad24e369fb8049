import type { Consistency, Skip } from '#api/ledger';
import { SalvorError } from '#shared/errors';
import type { ClaimFacts, Inventory } from './facts.ts';

/** The name of the asset that holds an application's Kubernetes objects. No claim can have it: their names hold no brackets. */
export const objectsAsset = '(objects)';

export interface PlannedVolume {
  readonly name: string;
  readonly kind: 'volume';
  readonly method: 'volume-files';
  readonly claim: ClaimFacts & { readonly csi: NonNullable<ClaimFacts['csi']> };
}

export interface PlannedObjects {
  readonly name: typeof objectsAsset;
  readonly kind: 'objects';
  readonly method: 'objects';
  readonly count: number;
}

export type PlannedAsset = PlannedVolume | PlannedObjects;

/** One step of a backup. `dependsOn` must have succeeded; `after` must only have ended, one way or the other. */
export type BackupStep = {
  readonly id: string;
  readonly title: string;
  readonly dependsOn: readonly string[];
  readonly after?: readonly string[];
} & (
  | {
      readonly kind: 'SnapshotGroup';
      readonly driver: string;
      readonly groupSnapshotClass: string;
      readonly snapshotClass: string;
      readonly claims: readonly string[];
    }
  | { readonly kind: 'SnapshotVolume'; readonly snapshotClass: string; readonly claim: string }
  | { readonly kind: 'CaptureObjects' }
  | { readonly kind: 'MoveVolume'; readonly asset: string }
  | { readonly kind: 'SealPoint' }
);

/** A backup before it runs: printed by `--dry-run`, executed otherwise. */
export interface BackupPlan {
  readonly apiVersion: 'salvor.dev/v1alpha1';
  readonly kind: 'BackupPlan';
  readonly point: string;
  readonly application: string;
  readonly namespace: string;
  readonly consistency: Consistency;
  /** How the cut will be made, in one sentence. */
  readonly cut: string;
  readonly assets: readonly PlannedAsset[];
  readonly skipped: readonly Skip[];
  readonly steps: readonly BackupStep[];
}

/** Pure: the plan for one application at one moment. Throws when an asset cannot be captured here at all. */
export function planBackup(inventory: Inventory, point: string): BackupPlan {
  const bound = inventory.claims.filter((claim) => claim.phase === 'Bound');
  const volumes = bound.map(plannedVolume);
  const unbound = inventory.claims.filter((claim) => claim.phase !== 'Bound').map(skipUnbound);
  const snapshots = snapshotSteps(volumes);
  const moves = volumes.map((volume): BackupStep => {
    const snapshot = snapshots.find((step) =>
      step.kind === 'SnapshotGroup'
        ? step.claims.includes(volume.name)
        : step.kind === 'SnapshotVolume' && step.claim === volume.name,
    );
    return {
      id: `move/${volume.name}`,
      kind: 'MoveVolume',
      title: volume.name,
      asset: volume.name,
      dependsOn: snapshot === undefined ? [] : [snapshot.id],
    };
  });
  // Objects are read before the cut: a claim that appears later is then missing in both, not in one.
  const objects: BackupStep = { id: 'objects', kind: 'CaptureObjects', title: 'objects', dependsOn: [] };
  const work = [objects, ...snapshots, ...moves];
  return {
    apiVersion: 'salvor.dev/v1alpha1',
    kind: 'BackupPlan',
    point,
    application: inventory.namespace,
    namespace: inventory.namespace,
    ...consistencyOf(volumes, snapshots),
    assets: [{ name: objectsAsset, kind: 'objects', method: 'objects', count: inventory.objectCount }, ...volumes],
    skipped: [...unbound, ...inventory.skipped],
    steps: [
      ...work,
      { id: 'seal', kind: 'SealPoint', title: 'recovery point', dependsOn: [], after: work.map((step) => step.id) },
    ],
  };
}

function plannedVolume(claim: ClaimFacts): PlannedVolume {
  const { csi } = claim;
  if (csi === undefined) {
    throw new SalvorError(`Volume of claim ${claim.name} is ${claim.source}, which cannot be snapshotted`, {
      code: 'SnapshotClassMissing',
      hint: 'Move the data to a StorageClass of a CSI driver with snapshots. Other methods are not built yet.',
    });
  }
  if (claim.volumeMode === 'Block') {
    throw new SalvorError(`Claim ${claim.name} is a raw block volume, which cannot be read as files`, {
      code: 'InvalidInput',
      hint: 'Block volumes are not supported yet.',
    });
  }
  if (claim.snapshotClass === undefined) {
    throw new SalvorError(`No VolumeSnapshotClass for driver ${csi.driver}, which claim ${claim.name} uses`, {
      code: 'SnapshotClassMissing',
      hint: `Create a VolumeSnapshotClass with "driver: ${csi.driver}"; see: kubectl get volumesnapshotclasses`,
    });
  }
  return { name: claim.name, kind: 'volume', method: 'volume-files', claim: { ...claim, csi } };
}

function skipUnbound(claim: ClaimFacts): Skip {
  return {
    what: `persistentvolumeclaim/${claim.name}`,
    rule: 'claimHasNoVolume',
    reason: `It is ${claim.phase}: no volume holds data for it. Its object is captured.`,
  };
}

function snapshotSteps(volumes: readonly PlannedVolume[]): BackupStep[] {
  const drivers = Map.groupBy(volumes, (volume) => volume.claim.csi.driver);
  return [...drivers].flatMap(([driver, members]): BackupStep[] => {
    const { groupSnapshotClass, snapshotClass } = members[0]?.claim ?? {};
    if (groupSnapshotClass !== undefined && snapshotClass !== undefined) {
      const claims = members.map((member) => member.name);
      const title = `snapshot ${claims.join(', ')} (group)`;
      return [
        {
          id: `snapshot/${driver}`,
          kind: 'SnapshotGroup',
          title,
          driver,
          groupSnapshotClass,
          snapshotClass,
          claims,
          dependsOn: ['objects'],
        },
      ];
    }
    return members.map((member) => ({
      id: `snapshot/${member.name}`,
      kind: 'SnapshotVolume',
      title: `snapshot ${member.name}`,
      snapshotClass: member.claim.snapshotClass ?? '',
      claim: member.name,
      dependsOn: ['objects'],
    }));
  });
}

function consistencyOf(
  volumes: readonly PlannedVolume[],
  snapshots: readonly BackupStep[],
): Pick<BackupPlan, 'consistency' | 'cut'> {
  if (volumes.length === 0) return { consistency: 'Causal', cut: 'no volumes' };
  if (snapshots.length === 1) {
    const [only] = snapshots;
    return {
      consistency: 'Causal',
      cut: only?.kind === 'SnapshotGroup' ? `one group snapshot of ${volumes.length} volumes` : 'one snapshot',
    };
  }
  return {
    consistency: 'PerAsset',
    cut: `${snapshots.length} snapshots one after the other: no group snapshot covers all volumes`,
  };
}
