import type { KubeObject } from '#api/objects';
import type { TestLab } from './lab.ts';

/** A kind of the user's own. */
export const customDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'wombats.e2e.example' },
  spec: {
    group: 'e2e.example',
    scope: 'Namespaced',
    names: { kind: 'Wombat', plural: 'wombats', singular: 'wombat' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
};

/** A namespace with an object of many kinds; the StatefulSet `app` has the volume `tree`, from its template. */
export function treesObjects(namespace: string, image: string): KubeObject[] {
  const of = (apiVersion: string, kind: string, name: string, fields: object): KubeObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace, labels: { app: 'trees' }, annotations: { 'e2e.example/note': `the ${kind}` } },
    ...fields,
  });
  const labels = { app: 'app' };
  const container = { name: 'app', image, imagePullPolicy: 'Never', command: ['sleep', 'infinity'] };
  const resources = { requests: { storage: '1Gi' } };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { team: 'e2e' } } },
    of('v1', 'ConfigMap', 'settings', {
      data: { 'a.conf': 'key: "value"\n# 日本\n', number: '007', yes: 'yes' },
      binaryData: { blob: Buffer.from([0, 255, 10, 13, 0]).toString('base64') },
    }),
    of('v1', 'Secret', 'login', { type: 'Opaque', data: { password: Buffer.from('s3cret\n').toString('base64') } }),
    of('v1', 'Service', 'web', { spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } }),
    of('v1', 'Service', 'app', { spec: { clusterIP: 'None', selector: labels, ports: [{ port: 80 }] } }),
    of('v1', 'ServiceAccount', 'robot', {}),
    of('rbac.authorization.k8s.io/v1', 'Role', 'reader', {
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
    }),
    of('rbac.authorization.k8s.io/v1', 'RoleBinding', 'robot-reads', {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
    }),
    of('batch/v1', 'CronJob', 'nightly', {
      spec: {
        schedule: '0 3 1 1 *',
        suspend: true,
        jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } },
      },
    }),
    of('autoscaling/v2', 'HorizontalPodAutoscaler', 'app', {
      spec: {
        minReplicas: 1,
        maxReplicas: 2,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'app' },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
        ],
      },
    }),
    of('e2e.example/v1', 'Wombat', 'wally', { spec: { diet: ['grass', 'roots'], weightKg: 26, nested: { on: true } } }),
    of('apps/v1', 'StatefulSet', 'app', {
      spec: {
        serviceName: 'app',
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: 'robot',
            terminationGracePeriodSeconds: 0,
            containers: [{ ...container, volumeMounts: [{ name: 'tree', mountPath: '/tree' }] }],
          },
        },
        volumeClaimTemplates: [
          { metadata: { name: 'tree', labels }, spec: { accessModes: ['ReadWriteOnce'], resources } },
        ],
      },
    }),
  ];
}

const listed = [
  'configmaps',
  'secrets',
  'services',
  'serviceaccounts',
  'roles',
  'rolebindings',
  'cronjobs',
  'horizontalpodautoscalers',
  'wombats',
  'statefulsets',
  'persistentvolumeclaims',
];
/** Fields that the cluster decides for each object anew. */
const decided = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'managedFields', 'finalizers']);
const decidedAnnotations = /^(pv\.kubernetes\.io|volume\.(beta\.)?kubernetes\.io|kubectl\.kubernetes\.io)\//;

/** The objects of the namespace without what the cluster assigned to them, sorted. */
export async function portableObjects({ read }: TestLab, namespace: string): Promise<KubeObject[]> {
  const { items } = await read<{ items: KubeObject[] }>(listed.join(','), '-n', namespace);
  return items.map(portable).toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}

function portable(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object;
  const annotations = Object.entries(object.metadata.annotations ?? {}).filter(
    ([name]) => !decidedAnnotations.test(name),
  );
  const metadata = Object.entries(object.metadata).filter(([name]) => !decided.has(name) && name !== 'annotations');
  const spec = { ...(object['spec'] as Record<string, unknown> | undefined) };
  delete spec['volumeName'];
  if (spec['clusterIP'] !== 'None') for (const field of ['clusterIP', 'clusterIPs']) delete spec[field];
  return {
    ...rest,
    metadata: {
      name: object.metadata.name,
      ...Object.fromEntries(metadata),
      annotations: Object.fromEntries(annotations),
    },
    ...(object['spec'] === undefined ? {} : { spec }),
  };
}
