import type { Unseen } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';

/**
 * The objects of a cluster, or of a folder of manifests, at one moment: plain data without secrets. Everything that
 * decides works on this, so it never matters where it came from.
 */
export interface Snapshot {
  /** For people: `cluster lab`, `folder ./kubernetes`. */
  readonly source: string;
  /**
   * `cluster`: objects as the API server stores them, with status; what is not there does not exist.
   * `manifests`: what someone wants to exist; status is missing, and other files may say more.
   */
  readonly kind: 'cluster' | 'manifests';
  /** Secrets hold `keys` and `endpoints` instead of `data` (see redact.ts). */
  readonly objects: readonly KubeObject[];
  readonly unseen: readonly Unseen[];
  /** Bytes in use by `NAMESPACE/CLAIM`, where they were measured. */
  readonly usedBytes?: ReadonlyMap<string, number>;
  /** What was seen inside of `NAMESPACE/CLAIM`, where it was looked at. */
  readonly looks?: ReadonlyMap<string, FolderLook>;
}

/** The first two levels of a volume, as a pod that mounts it lists them. Names of folders end with a slash. */
export interface FolderLook {
  readonly pod: string;
  readonly path: string;
  readonly entries: readonly string[];
  /** Of some of its folders, by name, without the slash. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** Files that begin as SQLite's do. */
  readonly sqlite: readonly string[];
  /** Not all of it was listed, or only a part of the volume is mounted there. */
  readonly partial: boolean;
}

/** Finds objects by kind, namespace and name. */
export interface ObjectIndex {
  readonly snapshot: Snapshot;
  /** All of a kind, as `Deployment.apps`; in all versions. */
  all(groupKind: string): readonly KubeObject[];
  /** All of a kind in one namespace. */
  inNamespace(groupKind: string, namespace: string): readonly KubeObject[];
  get(groupKind: string, namespace: string, name: string): KubeObject | undefined;
}

export function indexObjects(snapshot: Snapshot): ObjectIndex {
  const byKind = new Map<string, KubeObject[]>();
  const byNamespace = new Map<string, KubeObject[]>();
  const byName = new Map<string, KubeObject>();
  for (const object of snapshot.objects) {
    const kind = groupKindOf(object);
    const place = `${kind}|${object.metadata.namespace ?? ''}`;
    append(byKind, kind, object);
    append(byNamespace, place, object);
    byName.set(`${place}|${object.metadata.name}`, object);
  }
  return {
    snapshot,
    all: (groupKind) => byKind.get(groupKind) ?? [],
    inNamespace: (groupKind, namespace) => byNamespace.get(`${groupKind}|${namespace}`) ?? [],
    get: (groupKind, namespace, name) => byName.get(`${groupKind}|${namespace}|${name}`),
  };
}

function append(lists: Map<string, KubeObject[]>, key: string, object: KubeObject): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [object]);
  else list.push(object);
}

/** `statefulset/orders-db`, as kubectl names it. */
export function nameOf(object: Pick<KubeObject, 'kind' | 'metadata'>): string {
  return `${object.kind.toLowerCase()}/${object.metadata.name}`;
}
