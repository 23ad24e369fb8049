import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { KubeClient } from '#kube/client';
import { waitFor } from '#shared/async';
import { systemNamespace } from './names.ts';

/** A volume for a mover: a claim in Salvor's namespace, made from a snapshot or empty. */
export interface StagingClaim {
  readonly name: string;
  readonly storageClass?: string | undefined;
  readonly capacityBytes: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Default: one node reads and writes. */
  readonly accessModes?: readonly string[];
}

export interface SnapshotSource {
  readonly driver: string;
  readonly snapshotHandle: string;
  readonly snapshotClass: string;
}

/**
 * Makes a snapshot of the application's namespace readable from Salvor's: a second content object points at the
 * same snapshot in the storage system (and keeps it when deleted), and a claim is made from it. So movers need no
 * place, quota, network policy or secret in the application's namespace.
 */
export async function ensureClaimFromSnapshot(
  client: KubeClient,
  claim: StagingClaim,
  source: SnapshotSource,
  signal: AbortSignal,
): Promise<void> {
  const { name, labels } = claim;
  const metadata = { name, namespace: systemNamespace, labels };
  await client.ensure(
    kinds.snapshotContents,
    {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshotContent',
      metadata: { name, labels },
      spec: {
        driver: source.driver,
        deletionPolicy: 'Retain',
        source: { snapshotHandle: source.snapshotHandle },
        volumeSnapshotClassName: source.snapshotClass,
        volumeSnapshotRef: {
          apiVersion: 'snapshot.storage.k8s.io/v1',
          kind: 'VolumeSnapshot',
          name,
          namespace: systemNamespace,
        },
      },
    },
    signal,
  );
  await client.ensure(
    kinds.snapshots,
    {
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata,
      spec: { volumeSnapshotClassName: source.snapshotClass, source: { volumeSnapshotContentName: name } },
    },
    signal,
  );
  await client.ensure(
    kinds.claims,
    claimObject(claim, { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name }),
    signal,
  );
}

/** An empty volume that a restore fills before it is handed over. */
export async function ensureEmptyClaim(client: KubeClient, claim: StagingClaim, signal: AbortSignal): Promise<void> {
  await client.ensure(kinds.claims, claimObject(claim), signal);
}

function claimObject(claim: StagingClaim, dataSource?: object): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claim.name, namespace: systemNamespace, labels: claim.labels },
    spec: {
      accessModes: claim.accessModes ?? ['ReadWriteOnce'],
      resources: { requests: { storage: String(claim.capacityBytes) } },
      ...(claim.storageClass === undefined ? {} : { storageClassName: claim.storageClass }),
      ...(dataSource === undefined ? {} : { dataSource }),
    },
  };
}

/** A namespace that somebody deletes ends when its pods have; then a new one can be made. */
const terminatingTimeoutMs = 60_000;

/** Salvor's own namespace. Its pods are not privileged, but movers run as root inside: `baseline` is what they need. */
export async function ensureSystemNamespace(client: KubeClient, signal: AbortSignal): Promise<void> {
  const labels = { 'app.kubernetes.io/managed-by': 'salvor', 'pod-security.kubernetes.io/enforce': 'baseline' };
  await waitFor(
    async () => {
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace, labels } };
      const { metadata } = await client.ensure<KubeObject>(kinds.namespaces, namespace, signal);
      return metadata.deletionTimestamp === undefined ? true : undefined;
    },
    {
      what: `namespace ${systemNamespace} to be gone: it is being deleted`,
      timeoutMs: terminatingTimeoutMs,
      signal,
      hint: `See what holds it: kubectl describe namespace ${systemNamespace}`,
    },
  );
}

/** What movers need to open the store and the repository. Lives as long as the run. */
export interface MoverSecrets {
  readonly repositoryPassword: string;
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
}

export async function ensureMoverSecret(
  client: KubeClient,
  name: string,
  labels: Readonly<Record<string, string>>,
  secrets: MoverSecrets,
  signal: AbortSignal,
): Promise<void> {
  const { credentials } = secrets;
  await client.ensure(
    kinds.secrets,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: systemNamespace, labels },
      immutable: true,
      stringData: {
        'repository-password': secrets.repositoryPassword,
        ...(credentials === undefined
          ? {}
          : { 'access-key-id': credentials.accessKeyId, 'secret-access-key': credentials.secretAccessKey }),
        ...(credentials?.sessionToken === undefined ? {} : { 'session-token': credentials.sessionToken }),
      },
    },
    signal,
  );
}
