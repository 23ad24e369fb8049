import type { Skip } from '#api/ledger';

/** What the planner must know of the cluster. Gathered by discovery; plain data. */
export interface Inventory {
  readonly namespace: string;
  readonly claims: readonly ClaimFacts[];
  /** How many Kubernetes objects will be captured. */
  readonly objectCount: number;
  readonly skipped: readonly Skip[];
}

export interface ClaimFacts {
  readonly name: string;
  /** `Bound`, `Pending`, `Lost`. */
  readonly phase: string;
  readonly volumeMode: 'Filesystem' | 'Block';
  readonly accessModes: readonly string[];
  readonly storageClass?: string | undefined;
  readonly capacityBytes: number;
  /** Missing when the volume does not come from a CSI driver. */
  readonly csi?: CsiVolume | undefined;
  /** The volume's source in words, for those without a driver: `hostPath`, `nfs`. */
  readonly source: string;
  /** Classes of the volume's driver; the default one first. */
  readonly snapshotClass?: string | undefined;
  readonly groupSnapshotClass?: string | undefined;
}

export interface CsiVolume {
  readonly driver: string;
  readonly volumeHandle: string;
}
