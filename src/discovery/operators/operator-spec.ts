import type { AssetKind } from '#api/asset';

/** A custom resource by which an operator runs a server. Paths are lists of field names; `*` goes through a list or mapping. */
export interface OperatorSpec {
  /** `Cluster.postgresql.cnpg.io`. */
  readonly groupKind: string;
  readonly engine: string;
  readonly kind: Extract<AssetKind, 'database' | 'queue' | 'bucket'>;
  /** How many members it has. */
  readonly copies?: string;
  /** Sizes of one member's volumes; missing where the resource says nothing. */
  readonly size: readonly string[];
  readonly version?: string;
  /** Every member holds all of the data. */
  readonly fullCopies: boolean;
  /** Label of pods and claims that has the resource's name as its value. */
  readonly label?: string;
  /** Names of its Services, `%` for its own name. */
  readonly services: readonly string[];
  /** Field that says that nothing is kept, and its value. */
  readonly ephemeral?: { readonly path: string; readonly value: RegExp };
  /** Without a size it keeps nothing: it is used as a cache then. */
  readonly volatileWithoutSize?: boolean;
}

/** Labels that tell which member is the primary, on pods or claims. */
export const roleLabels: readonly string[] = [
  'cnpg.io/instanceRole',
  'role',
  'spilo-role',
  'postgres-operator.crunchydata.com/role',
  'k8s.mariadb.com/role',
  'mysql.oracle.com/cluster-role',
  'kubedb.com/role',
  'redisfailovers-role',
  'stackgres.io/role',
];
export const primaryRoles = /^(primary|master|leader)$/i;
/** The same labels say other things as well: `pgdata`, `backup`. */
export const memberRoles =
  /^(primary|master|leader|replica|standby|slave|secondary|follower|sync_standby|read[-_]?only)$/i;
