import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { shopServices } from '../endpoints.ts';

interface PodSpec {
  serviceAccountName: string;
  securityContext: { runAsNonRoot: boolean; runAsUser: number; seccompProfile: { type: string } };
  containers: Array<{
    image: string;
    command: string[];
    envFrom?: Array<{ configMapRef: { name: string } }>;
    env?: Array<{ name: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }>;
    securityContext: {
      allowPrivilegeEscalation: boolean;
      readOnlyRootFilesystem: boolean;
      capabilities: { drop: string[] };
    };
    readinessProbe?: object;
    livenessProbe?: object;
    volumeMounts?: Array<{ name: string }>;
  }>;
  volumes?: Array<{ name: string; configMap?: { name: string }; persistentVolumeClaim?: { claimName: string } }>;
}
interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: PodSpec;
}
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  spec?: {
    template?: PodTemplate;
    jobTemplate?: { spec: { template: PodTemplate } };
    selector?: Record<string, string> & { matchLabels?: Record<string, string> };
    ports?: Array<{ port: number }>;
    volumeClaimTemplates?: Array<{ metadata: { name: string } }>;
    suspend?: boolean;
  };
}

const folder = import.meta.dirname;
const objects = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .flatMap((file) =>
    parseAllDocuments(readFileSync(path.join(folder, file), 'utf8'), { strict: true }).map((document) => {
      assert.deepEqual(document.errors, [], file);
      return document.toJS() as Manifest;
    }),
  );
const pods = objects.flatMap((object) => {
  const template = object.spec?.template ?? object.spec?.jobTemplate?.spec.template;
  return template === undefined ? [] : [{ object, template }];
});
const named = (kind: string): Map<string, Manifest> =>
  new Map(objects.filter((object) => object.kind === kind).map((object) => [object.metadata.name, object]));

test('every object but the namespace is in the namespace shop, and none is there twice', () => {
  for (const object of objects) {
    if (object.kind !== 'Namespace') assert.equal(object.metadata.namespace, 'shop', object.metadata.name);
  }
  const names = objects.map((object) => `${object.kind}/${object.metadata.name}`);
  assert.equal(new Set(names).size, names.length);
});

test('the kinds that a restore has to prove are there', () => {
  const kinds = new Set(objects.map((object) => object.kind));
  for (const kind of [
    'ConfigMap',
    'CronJob',
    'Deployment',
    'HorizontalPodAutoscaler',
    'NetworkPolicy',
    'PersistentVolumeClaim',
    'PodDisruptionBudget',
    'Role',
    'RoleBinding',
    'Secret',
    'Service',
    'ServiceAccount',
    'StatefulSet',
  ]) {
    assert.ok(kinds.has(kind), kind);
  }
  assert.equal(named('CronJob').get('nightly-report')?.spec?.suspend, true);
});

test('every service that clients use exists on its port, and selects exactly one workload', () => {
  const services = named('Service');
  assert.deepEqual([...services.keys()].toSorted(), Object.keys(shopServices).toSorted());
  for (const [name, port] of Object.entries(shopServices)) {
    const spec = services.get(name)?.spec;
    assert.equal(spec?.ports?.[0]?.port, port, name);
    const selected = pods.filter(({ template }) =>
      Object.entries(spec?.selector ?? {}).every(([key, value]) => template.metadata.labels[key] === value),
    );
    assert.equal(selected.length, 1, name);
  }
});

test('pods name only Secrets, keys, ConfigMaps, claims and accounts that exist', () => {
  for (const { object, template } of pods) {
    const { spec } = template;
    assert.ok(named('ServiceAccount').has(spec.serviceAccountName), object.metadata.name);
    const volumes = new Set(object.spec?.volumeClaimTemplates?.map((claim) => claim.metadata.name));
    for (const volume of spec.volumes ?? []) {
      volumes.add(volume.name);
      if (volume.configMap !== undefined) assert.ok(named('ConfigMap').has(volume.configMap.name));
      const claim = volume.persistentVolumeClaim?.claimName;
      if (claim !== undefined) assert.ok(named('PersistentVolumeClaim').has(claim));
    }
    for (const container of spec.containers) {
      for (const mount of container.volumeMounts ?? []) assert.ok(volumes.has(mount.name), mount.name);
      for (const source of container.envFrom ?? []) assert.ok(named('ConfigMap').has(source.configMapRef.name));
      for (const { valueFrom } of container.env ?? []) {
        if (valueFrom === undefined) continue;
        const { name, key } = valueFrom.secretKeyRef;
        assert.ok(named('Secret').get(name)?.stringData?.[key], `${name}/${key}`);
      }
    }
  }
});

test('every pod is one that the restricted pod security standard admits', () => {
  for (const { object, template } of pods) {
    const { spec } = template;
    assert.equal(spec.securityContext.runAsNonRoot, true, object.metadata.name);
    assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault');
    for (const { securityContext } of spec.containers) {
      assert.equal(securityContext.allowPrivilegeEscalation, false, object.metadata.name);
      assert.equal(securityContext.readOnlyRootFilesystem, true);
      assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
    }
  }
});

test('every server and service has probes, and runs an image and a program of the lab', () => {
  const programs = new Set(readdirSync(path.join(folder, '..', 'services')).map((file) => file.replace(/\.ts$/, '')));
  for (const { object, template } of pods) {
    for (const { command, image, livenessProbe, readinessProbe } of template.spec.containers) {
      assert.match(image, /^docker\.io\/salvor-lab\/(servers|shop):lab$/);
      if (object.kind === 'CronJob') continue;
      assert.ok(readinessProbe !== undefined && livenessProbe !== undefined, object.metadata.name);
      const program = /^\/app\/(.*)\.mjs$/.exec(command[1] ?? '')?.[1];
      if (image.includes('/shop:')) assert.ok(programs.has(program ?? ''), command.join(' '));
      else assert.ok(scriptOf(object.metadata.name, command[1] ?? ''), object.metadata.name);
    }
  }
});

/** The start script in the ConfigMap; the replica takes its own from the primary's. */
function scriptOf(name: string, file: string): string | undefined {
  const config = named('ConfigMap').get(name === 'orders-replica' ? 'orders-db' : name);
  return config?.data?.[path.basename(file)];
}
