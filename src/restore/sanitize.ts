import { groupKindOf } from '#api/objects';
import type { KubeObject, ObjectMeta } from '#api/objects';

/**
 * Makes a stored object fit for being created again: without what the old cluster decided for it. Pure. Every
 * rule names what it takes away; what no rule names stays as the user wrote it.
 */

type Fields = Record<string, unknown>;

/** Set by the API server or by controllers, and meaningless for a new object. */
const metaFields = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
  'ownerReferences',
];

/** Annotations by which controllers remember decisions about the old object. */
const decidedAnnotations = [
  'pv.kubernetes.io/bind-completed',
  'pv.kubernetes.io/bound-by-controller',
  'volume.kubernetes.io/selected-node',
  'volume.kubernetes.io/storage-provisioner',
  'volume.beta.kubernetes.io/storage-provisioner',
  'deployment.kubernetes.io/revision',
  'endpoints.kubernetes.io/last-change-trigger-time',
];

/** Labels that the Job controller puts on pod templates, with the old Job's uid. */
const jobLabels = ['controller-uid', 'batch.kubernetes.io/controller-uid', 'job-name', 'batch.kubernetes.io/job-name'];

export function sanitize(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object;
  const cleaned = { ...rest, metadata: cleanMetadata(object.metadata) } as unknown as KubeObject;
  const byKind = perKind[groupKindOf(object)];
  return byKind === undefined ? cleaned : byKind(cleaned);
}

const perKind: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  // Addresses and ports belong to the old cluster; headless services say "None" and mean it.
  Service: (object) => {
    const spec = specOf(object);
    const headless = spec['clusterIP'] === 'None';
    const kept = without(spec, ['clusterIPs', 'healthCheckNodePort', ...(headless ? [] : ['clusterIP'])]);
    const ports = (spec['ports'] as Fields[] | undefined)?.map((port) => without(port, ['nodePort']));
    return withSpec(object, { ...kept, ...(ports === undefined ? {} : { ports }) });
  },
  PersistentVolumeClaim: (object) =>
    withSpec(object, without(specOf(object), ['volumeName', 'dataSource', 'dataSourceRef'])),
  'Job.batch': (object) => {
    const spec = specOf(object);
    if (spec['manualSelector'] === true) return object;
    const template = (spec['template'] ?? {}) as { metadata?: { labels?: Fields } } & Fields;
    const metadata = { ...template.metadata, labels: without(template.metadata?.labels ?? {}, jobLabels) };
    const labels = without(object.metadata.labels ?? {}, jobLabels) as Record<string, string>;
    return withSpec(
      { ...object, metadata: { ...object.metadata, labels } },
      { ...without(spec, ['selector']), template: { ...template, metadata } },
    );
  },
  // The old node may not exist; the token volume is injected again by admission.
  Pod: (object) => {
    const spec = specOf(object);
    const injected = (one: Fields): boolean => String(one['name']).startsWith('kube-api-access-');
    const containers = (list: unknown): unknown =>
      (list as Fields[] | undefined)?.map((container) => ({
        ...container,
        volumeMounts: ((container['volumeMounts'] ?? []) as Fields[]).filter((mount) => !injected(mount)),
      }));
    return withSpec(object, {
      ...without(spec, ['nodeName', 'ephemeralContainers', 'priority', 'preemptionPolicy']),
      containers: containers(spec['containers']),
      ...(spec['initContainers'] === undefined ? {} : { initContainers: containers(spec['initContainers']) }),
      volumes: ((spec['volumes'] ?? []) as Fields[]).filter((volume) => !injected(volume)),
    });
  },
  // Tokens are signed by the old cluster; the token controller fills the Secret again.
  Secret: (object) =>
    object['type'] === 'kubernetes.io/service-account-token'
      ? (without(object, ['data']) as unknown as KubeObject)
      : object,
  ServiceAccount: (object) => without(object, ['secrets']) as unknown as KubeObject,
  Namespace: (object) => without(object, ['spec']) as unknown as KubeObject,
};

function cleanMetadata(metadata: ObjectMeta): ObjectMeta {
  const kept = without(metadata as unknown as Fields, metaFields);
  const annotations = without(metadata.annotations ?? {}, decidedAnnotations);
  const labels = without(metadata.labels ?? {}, ['salvor.dev/cut']);
  const finalizers = metadata.finalizers?.filter(
    (finalizer) =>
      !finalizer.startsWith('kubernetes.io/') && finalizer !== 'foregroundDeletion' && finalizer !== 'orphan',
  );
  return {
    ...without(kept, ['annotations', 'labels', 'finalizers']),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(finalizers === undefined || finalizers.length === 0 ? {} : { finalizers }),
  } as unknown as ObjectMeta;
}

function specOf(object: KubeObject): Fields {
  return (object['spec'] ?? {}) as Fields;
}

function withSpec(object: KubeObject, spec: Fields): KubeObject {
  return { ...object, spec };
}

function without(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
