/** An object, and the path of the list that it is created in. */
export interface MadeObject {
  readonly path: string;
  readonly body: object;
}

/** What a cluster of size 1 has in each of its namespaces; see the goal in bench/README.md. */
export const namespacesOf = (times: number): number => Math.max(1, Math.round(500 * times));
const appsPerNamespace = 10;
const podsPerApp = 2;
const configMapsPerApp = 3;

/**
 * One namespace with ten applications, each a StatefulSet with two pods, a claim, a Service, a Secret, three ConfigMaps: 91 objects,
 * of which 20 are pods and 10 claims. Every third application is PostgreSQL, the others use one.
 */
export function* objectsOf(namespace: string): Generator<MadeObject> {
  yield { path: '/api/v1/namespaces', body: { metadata: { name: namespace } } };
  const core = `/api/v1/namespaces/${namespace}`;
  for (let app = 0; app < appsPerNamespace; app++) {
    const name = `app${app}`;
    const labels = { app: name };
    const statefulSet = { apiVersion: 'apps/v1', kind: 'StatefulSet', controller: true, name, uid: uidOf(app) };
    yield {
      path: `/apis/apps/v1/namespaces/${namespace}/statefulsets`,
      body: {
        metadata: { name, labels },
        spec: {
          replicas: podsPerApp,
          serviceName: name,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podSpec(app, namespace) },
          volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claimSpec }],
        },
      },
    };
    yield {
      path: `${core}/persistentvolumeclaims`,
      body: { metadata: { name: `data-${name}-0`, labels }, spec: claimSpec },
    };
    for (let pod = 0; pod < podsPerApp; pod++) {
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: `data-${name}-0` } }];
      const metadata = { name: `${name}-${pod}`, labels, ownerReferences: [statefulSet] };
      yield { path: `${core}/pods`, body: { metadata, spec: { ...podSpec(app, namespace), volumes } } };
    }
    yield {
      path: `${core}/services`,
      body: { metadata: { name, labels }, spec: { clusterIP: 'None', selector: labels, ports: [{ port: 5432 }] } },
    };
    yield { path: `${core}/secrets`, body: { metadata: { name, labels }, stringData: { password: 'benchmark' } } };
    for (let map = 0; map < configMapsPerApp; map++)
      yield {
        path: `${core}/configmaps`,
        body: {
          metadata: { name: `${name}-${map}`, labels },
          data: { 'app.conf': 'some setting = some value\n'.repeat(40) },
        },
      };
  }
}

const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

function podSpec(app: number, namespace: string): object {
  const isDatabase = app % 3 === 0;
  return {
    containers: [
      {
        name: 'main',
        image: isDatabase ? 'postgres:16' : 'registry.example.org/acme/web:1',
        env: [
          { name: 'DATABASE_HOST', value: `app${app - (app % 3)}.${namespace}.svc` },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: `app${app}`, key: 'password' } } },
        ],
        volumeMounts: [{ name: 'data', mountPath: isDatabase ? '/var/lib/postgresql/data' : '/data' }],
      },
    ],
  };
}

function uidOf(app: number): string {
  return `00000000-0000-4000-8000-${String(app).padStart(12, '0')}`;
}
