import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discover } from '../discover.ts';
import { snapshotOfFiles } from './manifests.ts';
import { secretFacts } from './redact.ts';

const one = (content: string, path = 'a.yaml') => snapshotOfFiles([{ path, content }]);
const names = (snapshot: ReturnType<typeof one>): string[] =>
  snapshot.objects.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`);
const configMap = (name: string, extra = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\n${extra}`;

test('one broken document spoils neither its file nor the others', () => {
  const snapshot = one(`${configMap('a')}---\nkind: ConfigMap\n  bad: [\n---\n${configMap('b')}`);
  assert.deepEqual(names(snapshot), ['ConfigMap/default/a', 'ConfigMap/default/b']);
  assert.match(snapshot.unseen[0]?.what ?? '', /^a\.yaml:\d+$/);
  assert.match(snapshot.unseen[0]?.reason ?? '', /is no YAML/);
});

test('lists are read as kubectl prints them, in YAML and in JSON, also of one kind', () => {
  const yaml = `apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n    namespace: x\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: s\n    namespace: x\nkind: List\nmetadata:\n  resourceVersion: ""\n`;
  assert.deepEqual(names(one(yaml)), ['ConfigMap/x/a', 'Secret/x/s']);
  const json = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMapList',
    items: [{ metadata: { name: 'a', namespace: 'x' } }],
  });
  assert.deepEqual(names(one(json)), ['ConfigMap/x/a']);
});

test('templates of Helm are told and skipped, with a reason', () => {
  const template =
    '{{- if .Values.on }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n';
  const snapshot = snapshotOfFiles([
    { path: 'chart/Chart.yaml', content: 'apiVersion: v2\nname: c\n' },
    { path: 'chart/templates/cm.yaml', content: template },
    { path: 'loose.yaml', content: template },
  ]);
  assert.deepEqual(snapshot.unseen.map(({ what }) => what).toSorted(), ['chart', 'loose.yaml']);
});

test('an alias bomb is refused, and the file beside it is read', () => {
  const levels = Array.from(
    { length: 12 },
    (_, level) =>
      `  a${level}: &a${level} [${Array.from({ length: 9 }, () => (level === 0 ? 'x' : `*a${level - 1}`)).join(', ')}]`,
  );
  const snapshot = snapshotOfFiles([
    {
      path: 'bomb.yaml',
      content: `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: bomb }\ndata:\n${levels.join('\n')}\n`,
    },
    { path: 'good.yaml', content: configMap('good') },
  ]);
  assert.deepEqual(names(snapshot), ['ConfigMap/default/good']);
  assert.match(snapshot.unseen[0]?.reason ?? '', /more than \d+ fields/);
});

test('the values of Secrets are not kept: only their keys, and where they lead', () => {
  const url = Buffer.from('postgres://app:hunter2@db.example.com:5432/app').toString('base64');
  const snapshot = one(
    `apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations: { kubectl.kubernetes.io/last-applied-configuration: '{"data":"hunter2"}' }\ndata: { url: ${url}, other: aHVudGVyMg== }\nstringData: { plain: hunter2 }\n`,
  );
  assert.doesNotMatch(JSON.stringify(snapshot), new RegExp(`hunter2|${url}|aHVudGVyMg`));
  const [secret] = snapshot.objects;
  assert.deepEqual(secret === undefined ? [] : secretFacts(secret).keys.toSorted(), ['other', 'plain', 'url']);
  assert.equal(secret === undefined ? '' : secretFacts(secret).endpoints[0]?.endpoint.host, 'db.example.com');
});

test('passwords in variables, settings and addresses are hidden, and the addresses stay', () => {
  const snapshot = one(`apiVersion: v1
kind: Pod
metadata: { name: p }
spec:
  containers:
    - name: c
      image: x
      args: ["--dsn=app:hunter2@tcp(db:3306)/app", "--requirepass hunter2"]
      env:
        - { name: DB_PASSWORD, value: hunter2 }
        - { name: DATABASE_URL, value: "postgres://app:hunter2@db:5432/app" }
---
${configMap('c', 'data: { app.conf: "password = hunter2\\nhost = db" }')}`);
  const text = JSON.stringify(snapshot);
  assert.doesNotMatch(text, /hunter2/);
  assert.match(text, /@db:5432\/app/);
});

test('an overlay gives its files a namespace and a prefix, once for each overlay', () => {
  const snapshot = snapshotOfFiles([
    { path: 'base/kustomization.yaml', content: 'resources: [cm.yaml]\n' },
    { path: 'base/cm.yaml', content: configMap('c') },
    { path: 'prod/kustomization.yaml', content: 'namespace: prod\nnamePrefix: p-\nresources: [../base]\n' },
    {
      path: 'test/kustomization.yaml',
      content: 'namespace: test\nresources: [../base]\npatches: [{ path: patch.yaml }]\n',
    },
    { path: 'test/patch.yaml', content: configMap('c', 'data: { a: b }') },
  ]);
  assert.deepEqual(names(snapshot).toSorted(), ['ConfigMap/prod/p-c', 'ConfigMap/test/c']);
  assert.match(snapshot.unseen[0]?.what ?? '', /1 patches/);
});

test('Flux fills in placeholders, for each use of a component with its own values', () => {
  const flux = (app: string): string =>
    `apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: { name: ${app}, namespace: flux-system }\nspec:\n  path: ./kubernetes/apps/${app}\n  targetNamespace: media\n  components: [../../components/volume]\n  postBuild: { substitute: { APP: ${app} } }\n`;
  const claim =
    'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: { name: "${APP}" }\nspec: { resources: { requests: { storage: "${SIZE:-5Gi}" } } }\n';
  const snapshot = snapshotOfFiles([
    { path: 'flux/a.yaml', content: flux('plex') },
    { path: 'flux/b.yaml', content: flux('jelly') },
    { path: 'apps/plex/kustomization.yaml', content: 'resources: [cm.yaml]\n' },
    { path: 'apps/plex/cm.yaml', content: configMap('plex') },
    { path: 'apps/jelly/kustomization.yaml', content: 'resources: [cm.yaml]\n' },
    { path: 'apps/jelly/cm.yaml', content: configMap('jelly') },
    {
      path: 'components/volume/kustomization.yaml',
      content: 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [claim.yaml]\n',
    },
    { path: 'components/volume/claim.yaml', content: claim },
  ]);
  assert.deepEqual(
    names(snapshot)
      .filter((name) => name.startsWith('PersistentVolumeClaim'))
      .toSorted(),
    ['PersistentVolumeClaim/media/jelly', 'PersistentVolumeClaim/media/plex'],
  );
  assert.match(JSON.stringify(snapshot), /5Gi/);
});

test('kustomizations that include each other end', () => {
  const snapshot = snapshotOfFiles([
    { path: 'a/kustomization.yaml', content: 'resources: [../b, cm.yaml]\n' },
    { path: 'b/kustomization.yaml', content: 'resources: [../a]\n' },
    { path: 'a/cm.yaml', content: configMap('c') },
  ]);
  assert.deepEqual(names(snapshot), ['ConfigMap/default/c']);
});

test('one long word, with and without colons, takes no longer than any other text', () => {
  const words = [
    'a'.repeat(60_000),
    'a:'.repeat(30_000),
    `x=${'a.'.repeat(30_000)}`,
    `jetstream ${'b'.repeat(60_000)}`,
    `postgres://${'u'.repeat(60_000)}`,
  ];
  const data = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`k${index}.conf`, words[index % words.length]]),
  );
  const container = {
    name: 'c',
    image: 'nats',
    command: ['nats-server', '-c', '/etc/k3.conf'],
    volumeMounts: [{ name: 'v', mountPath: '/etc' }],
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [container], volumes: [{ name: 'v', configMap: { name: 'c' } }] },
  };
  const files = [pod, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data }].map((object, index) => ({
    path: `${index}.json`,
    content: JSON.stringify(object),
  }));
  assert.equal(
    discover(snapshotOfFiles(files)).assets.some((asset) => asset.engine?.name === 'NATS'),
    true,
  );
});

test('settings that a kustomization makes of files are read, also as the values of a chart', () => {
  const release =
    'apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: db }\nspec:\n  chart: { spec: { chart: postgresql } }\n  valuesFrom: [{ kind: ConfigMap, name: db-values }]\n';
  const snapshot = snapshotOfFiles([
    {
      path: 'db/kustomization.yaml',
      content:
        'namespace: data\nresources: [release.yaml]\nconfigMapGenerator: [{ name: db-values, files: ["values.yaml=helm/values.yaml"], literals: ["a=b=c"] }]\n',
    },
    { path: 'db/release.yaml', content: release },
    { path: 'db/helm/values.yaml', content: 'primary: { persistence: { size: 7Gi } }\n' },
  ]);
  const { assets } = discover(snapshot);
  assert.equal(assets.find((asset) => asset.id === 'data/database/db')?.sizeBytes, 7 * 2 ** 30);
  assert.match(JSON.stringify(snapshot), /"a":"b=c"/);
});
