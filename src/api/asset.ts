/**
 * The words of a scan: what data there is (**asset**), what was seen of it (**sign**), what should happen to it
 * (**judgement**), what protects it already (**protection**). Plain values: they are printed, stored as a baseline and
 * compared, and become the `Asset` custom resource.
 */

declare const assetId: unique symbol;
/** `NAMESPACE/KIND/NAME`; for what belongs to no namespace `-/KIND/NAME`. Stable from scan to scan. */
export type AssetId = string & { readonly [assetId]: true };

/**
 * - `volume`: files with a place: a claim, a folder of a node, a folder that lives as long as its pod, a machine's disk
 * - `database`, `queue`: a server that keeps data, whatever volumes it uses
 * - `bucket`: objects in an object store
 * - `key`: a secret without which other data cannot be read
 * - `vault`: values that are kept outside of the cluster and only referred to
 * - `objects`: the Kubernetes objects of one namespace
 */
export type AssetKind = 'volume' | 'database' | 'queue' | 'bucket' | 'key' | 'vault' | 'objects';

/**
 * What should happen to an asset. `Unknown` counts as unprotected.
 *
 * - `Protect`: nothing else can make it again
 * - `Derived`: a copy or an index of another asset, which is named
 * - `Regenerable`: made again from outside of the cluster: a download, a cache, a Git repository
 * - `Disposable`: meant to be lost
 * - `External`: lives elsewhere, and is not protected from here
 */
export const verdicts = ['Protect', 'Unknown', 'Derived', 'Regenerable', 'Disposable', 'External'] as const;
export type Verdict = (typeof verdicts)[number];

export type Confidence = 'high' | 'medium' | 'low';

/** A fact that can be looked up: the value of one field of one object. Never a secret's value. */
export interface Evidence {
  /** `statefulset/orders-db`, as kubectl names it, in `namespace`. */
  readonly object: string;
  /** Empty for what belongs to no namespace. */
  readonly namespace: string;
  /** Path of the field: `spec.template.spec.containers[0].image`. */
  readonly field: string;
  readonly value: string;
}

/** What a detector can say of an asset. Rules decide what follows from it. */
export type Meaning =
  /** The user asked for protection, or refused it, by a label or an annotation of any known tool. */
  | 'opt-in'
  | 'opt-out'
  /** Holds the files of the database or queue `of`. */
  | 'server-files'
  /** Follows the server `of`, or is one of several full copies of it. */
  | 'replica'
  /** Backups of `of` are written here. */
  | 'backup-target'
  /** A search index over `of`. */
  | 'index'
  /** A copy that is made from the asset `of` while it runs: thumbnails, transcoded files. */
  | 'rendition'
  | 'cache'
  | 'scratch'
  /** Can be fetched again from outside: model weights, packages, images. */
  | 'download'
  /** Made here by computing: checkpoints, experiments, notebooks. */
  | 'trained'
  /** Files that people or programs put here. */
  | 'user-files'
  /** Configuration and state of a program, often with an embedded database. */
  | 'program-state'
  /** A server whose data does not outlive it by its own settings. */
  | 'not-durable'
  /** The disk of a virtual machine. */
  | 'machine-disk'
  /** Where the storage layer keeps the bytes of other volumes. */
  | 'storage-layer'
  /** Belongs to the node and its programs. */
  | 'node-system'
  /** Lives outside of the cluster. */
  | 'external'
  /** Kept in a vault, only referred to. */
  | 'vault-value'
  /** A key to other data. */
  | 'crown-jewel'
  /** Made again from Git or by a package manager. */
  | 'reproducible'
  /** Made by hand, or no longer what Git says. */
  | 'hand-made'
  /** Outlives its pods because someone asked for it. */
  | 'persistent'
  /** No pod uses it. */
  | 'unused'
  /** A part of it could not be seen. */
  | 'unseen';

export interface Sign {
  readonly means: Meaning;
  /** What follows, as the end of the sentence "It ...": `is the data folder of PostgreSQL`. */
  readonly says: string;
  readonly evidence: readonly Evidence[];
  readonly strength: 'strong' | 'weak';
  /** The asset that it is a copy, an index or the files of. */
  readonly of?: AssetId;
}

/** Where one container sees a volume. */
export interface Mount {
  /** `deployment/web`. */
  readonly workload: string;
  readonly container: string;
  readonly image: string;
  readonly path: string;
  readonly subPath?: string;
  readonly readOnly: boolean;
  /** `server` runs all the time, `init` before it, `job` now and then. */
  readonly role: 'server' | 'init' | 'job';
}

/** How a volume comes to its pods. */
export type VolumeSource =
  | 'claim'
  | 'claimTemplate'
  | 'persistentVolume'
  | 'ephemeral'
  | 'emptyDir'
  | 'hostPath'
  | 'containerLayer'
  | 'machineDisk'
  /** A file system of the network or of a driver, named in the pod itself. */
  | 'inline';

export interface VolumeFacts {
  readonly source: VolumeSource;
  /** The claim's name, for sources that have one. */
  readonly claim?: string;
  /** The volume's name inside the pod, or in the claim template. */
  readonly volumeName?: string;
  /** `Bound`, `Pending`, `Lost`, `Released`, ... as the API says it; absent in manifests. */
  readonly phase?: string;
  readonly storageClass?: string;
  readonly accessModes?: readonly string[];
  /** CSI driver, or the type of the PersistentVolume's source: `hostPath`, `nfs`. */
  readonly driver?: string;
  readonly persistentVolume?: string;
  /** Labels and annotations of the claim or of the pod template: other tools select by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
}

export interface Engine {
  /** `PostgreSQL`, `Redis`. */
  readonly name: string;
  readonly version?: string;
}

export interface Asset {
  readonly id: AssetId;
  readonly kind: AssetKind;
  /** Empty for what belongs to no namespace. */
  readonly namespace: string;
  readonly name: string;
  /** By default the namespace. */
  readonly application: string;
  /** In words, with the object it is made from: `PostgreSQL 15 in statefulset/orders-db`. */
  readonly title: string;
  readonly engine?: Engine;
  /** The workload or custom resource that keeps it, as kubectl names it. */
  readonly workload?: string;
  /** Address outside of the cluster, without credentials. */
  readonly host?: string;
  readonly volume?: VolumeFacts;
  /** The chart's values that it was concluded from, where no manifest was read: `helmrelease/plex`. */
  readonly inferredFrom?: string;
  /** What was asked for or is provisioned. */
  readonly sizeBytes?: number;
  /** What is in use, where it was measured. */
  readonly usedBytes?: number;
  /** Copies that the server keeps by itself. */
  readonly copies?: number;
  readonly signs: readonly Sign[];
}

/** What follows for one asset, by one named rule. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly rule: string;
  /** One sentence. */
  readonly reason: string;
  readonly evidence: readonly Evidence[];
  readonly confidence: Confidence;
  /** The asset that a derived one is made from. */
  readonly of?: AssetId;
}

/** `holds`: a database its volume. `uses`: a workload a database. `madeFrom`: a replica, index or dump its source. */
export interface Relation {
  /** An asset, or a workload as `NAMESPACE/deployment/web`. */
  readonly from: string;
  readonly to: AssetId;
  readonly type: 'holds' | 'uses' | 'madeFrom';
  readonly evidence: readonly Evidence[];
}

/**
 * Why what a tool does is not enough.
 *
 * - `paused`, `failing`, `neverRan`: nothing comes of it now
 * - `hot`: the files of a server that writes meanwhile
 * - `sameStorage`: the copy is lost with the storage of the original
 * - `sameCluster`: the copy is lost with the cluster
 * - `filtered`: something may leave it out
 * - `incomplete`: something that a restore needs is not copied
 */
export type Trouble =
  | 'paused'
  | 'failing'
  | 'neverRan'
  | 'hot'
  | 'sameStorage'
  | 'sameCluster'
  | 'filtered'
  | 'incomplete';

/** How an existing tool treats one asset. `none` is never said: it is the absence of any. */
export interface Protection {
  readonly asset: AssetId;
  /** `velero`, `kasten`, `k8up`, ... */
  readonly tool: string;
  /** The object that does it: `schedule/nightly`, and its namespace. */
  readonly by: string;
  readonly namespace: string;
  /**
   * - `full`: the data is selected by a schedule that works
   * - `partial`: something of it is copied, not all of it or not safely
   * - `skipped`: the schedule covers the object, and its data is not copied
   * - `failing`: selected, and the last results say that it does not work, or it is paused
   */
  readonly state: 'full' | 'partial' | 'skipped' | 'failing';
  /** Where the state is `partial` or `failing`. */
  readonly trouble?: Trouble;
  /** Why, one sentence. */
  readonly reason: string;
  readonly evidence: readonly Evidence[];
}

/** Something to do about protection, by a stable name: `NotSelected`, `ProtectedTwice`, `StoreInSameCluster`. */
export interface Finding {
  readonly name: string;
  readonly severity: 'risk' | 'warning' | 'note';
  /** The asset it is about, if it is about one. */
  readonly asset?: AssetId;
  readonly message: string;
  readonly evidence: readonly Evidence[];
}

/** Something that the scan could not see. */
export interface Unseen {
  /** A kind of object, an API group, a file. */
  readonly what: string;
  readonly reason: string;
  /**
   * - `data`: assets may be there, so it counts as unknown
   * - `detail`: it could only have told more of what was seen: sizes, names, rights
   */
  readonly hides: 'data' | 'detail';
}

/** Names an asset. */
export function assetIdOf(namespace: string, kind: AssetKind, name: string): AssetId {
  return `${namespace === '' ? '-' : namespace}/${kind}/${name}` as AssetId;
}
