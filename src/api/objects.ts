/** The parts of Kubernetes objects that Salvor reads. Everything else is carried along untouched. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** Any object, typed only where every object is alike. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/** One kind of object as the API serves it. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** In paths and in RBAC: `deployments`. */
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string | undefined;
}

export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** `Service`, `Deployment.apps`: kinds of different groups share names, so rules always ask for both. */
export function groupKindOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? kind : `${kind}.${apiVersion.slice(0, slash)}`;
}

/** `deployments.apps`, as kubectl writes it. */
export function resourceName(resource: Resource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** The path of a collection, or of one object. */
export function pathOf(resource: Resource, ref: Partial<ObjectRef> = {}): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const namespace = resource.namespaced && ref.namespace !== undefined ? `/namespaces/${encode(ref.namespace)}` : '';
  const name = ref.name === undefined ? '' : `/${encode(ref.name)}`;
  return `${root}${namespace}/${resource.plural}${name}`;
}

function encode(segment: string): string {
  return encodeURIComponent(segment);
}

function core(kind: string, plural: string, namespaced = true): Resource {
  return { group: '', version: 'v1', kind, plural, namespaced };
}

const snapshotGroup = 'snapshot.storage.k8s.io';
const groupSnapshotGroup = 'groupsnapshot.storage.k8s.io';

/** The kinds that Salvor itself reads or makes. All others are found by asking the API server. */
export const kinds = {
  namespaces: core('Namespace', 'namespaces', false),
  pods: core('Pod', 'pods'),
  events: core('Event', 'events'),
  secrets: core('Secret', 'secrets'),
  claims: core('PersistentVolumeClaim', 'persistentvolumeclaims'),
  volumes: core('PersistentVolume', 'persistentvolumes', false),
  jobs: { group: 'batch', version: 'v1', kind: 'Job', plural: 'jobs', namespaced: true },
  leases: { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', namespaced: true },
  storageClasses: {
    group: 'storage.k8s.io',
    version: 'v1',
    kind: 'StorageClass',
    plural: 'storageclasses',
    namespaced: false,
  },
  snapshots: {
    group: snapshotGroup,
    version: 'v1',
    kind: 'VolumeSnapshot',
    plural: 'volumesnapshots',
    namespaced: true,
  },
  snapshotContents: {
    group: snapshotGroup,
    version: 'v1',
    kind: 'VolumeSnapshotContent',
    plural: 'volumesnapshotcontents',
    namespaced: false,
  },
  snapshotClasses: {
    group: snapshotGroup,
    version: 'v1',
    kind: 'VolumeSnapshotClass',
    plural: 'volumesnapshotclasses',
    namespaced: false,
  },
  groupSnapshots: {
    group: groupSnapshotGroup,
    version: 'v1',
    kind: 'VolumeGroupSnapshot',
    plural: 'volumegroupsnapshots',
    namespaced: true,
  },
  groupSnapshotContents: {
    group: groupSnapshotGroup,
    version: 'v1',
    kind: 'VolumeGroupSnapshotContent',
    plural: 'volumegroupsnapshotcontents',
    namespaced: false,
  },
  groupSnapshotClasses: {
    group: groupSnapshotGroup,
    version: 'v1',
    kind: 'VolumeGroupSnapshotClass',
    plural: 'volumegroupsnapshotclasses',
    namespaced: false,
  },
} as const satisfies Record<string, Resource>;
