import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { snapshotOfFiles, snapshotOfManifests } from '#discovery/snapshot/manifests';
import { csvCell, html, jsonText, plain, plainTree } from '../output/plain.ts';
import { baselineKey, choose, findAsset, labelSelector, readBaseline } from './choose.ts';
import { scanCsv } from './csv.ts';
import { scanDot } from './graph.ts';
import { scanHtml } from './html.ts';
import { proposePolicies } from './propose.ts';
import { scanReport } from './report.ts';
import type { ScanReport } from './report.ts';
import { scanTable } from './table.ts';

const shopFolder = fileURLToPath(new URL('../../../lab/workloads/shop/manifests', import.meta.url));
const nowMs = Date.parse('2026-01-01T00:00:00Z');
const shop = scanReport(await snapshotOfManifests(shopFolder, Readable.from([]), new AbortController().signal), nowMs);
const reportOf = (content: string): ScanReport => scanReport(snapshotOfFiles([{ path: 'a.yaml', content }]), nowMs);

const verdicts: readonly (readonly [string, string, string | undefined, RegExp])[] = [
  ['orders-db', 'Protect', undefined, /PostgreSQL/],
  ['payments-db', 'Protect', undefined, /MariaDB/],
  ['carts', 'Protect', undefined, /Redis/],
  ['events', 'Protect', undefined, /NATS/],
  ['uploads', 'Protect', undefined, /files/],
  ['orders-replica', 'Derived', 'shop/database/orders-db', /follows orders-db/],
  ['search', 'Derived', 'shop/database/orders-db', /search index over orders-db/],
  ['thumbs-cache', 'Disposable', undefined, /cache/],
];
for (const [name, verdict, of, reason] of verdicts) {
  test(`${name} of the shop is ${verdict}${of === undefined ? '' : ` of ${of}`}, and says why`, () => {
    const { judgement } = findAsset(shop, `shop/${name}`);
    assert.equal(judgement.verdict, verdict);
    assert.equal(judgement.of, of);
    assert.match(judgement.reason, reason);
    assert.notEqual(judgement.evidence.length, 0);
  });
}

test('a service uses the databases whose passwords it reads, and not all of a shared list of addresses', () => {
  const used = shop.relations
    .filter(({ from, type }) => from === 'shop/deployment/payments' && type === 'uses')
    .map(({ to }) => to);
  assert.deepEqual(used.toSorted(), ['shop/database/payments-db', 'shop/queue/events']);
});

test('the table fits 100 columns and leads with what is at risk', () => {
  const lines = scanTable(shop).split('\n');
  assert.equal(Math.max(...lines.map((line) => line.length)) <= 100, true);
  assert.match(lines[1] ?? '', /5 AT RISK/);
  const marks = lines
    .filter((line) => / (Protect|Derived|Regenerable|Disposable) /.test(line))
    .map((line) => line.charAt(2));
  assert.deepEqual(
    marks,
    [...marks].toSorted((a, b) => (a === b ? 0 : a === '!' ? -1 : 1)),
  );
});

test('a Velero schedule that copies nothing of a volume is no protection, and the table says so', () => {
  const schedule = (template: string): string => `${claim}
---
apiVersion: velero.io/v1
kind: Schedule
metadata: { name: nightly, namespace: velero }
spec: { schedule: "0 1 * * *", template: ${template} }
`;
  const standing = (template: string): string => findAsset(reportOf(schedule(template)), 'shop/files').standing;
  assert.equal(standing('{ includedNamespaces: ["sh*"] }'), 'at risk');
  assert.equal(standing('{ includedNamespaces: ["sh*"], defaultVolumesToFsBackup: true }'), 'protected');
  assert.equal(standing('{ includedNamespaces: [other], defaultVolumesToFsBackup: true }'), 'at risk');
  assert.equal(standing('{ defaultVolumesToFsBackup: true, includedResources: [secrets] }'), 'at risk');
  assert.match(scanTable(reportOf(schedule('{}'))), /no: schedule "nightly" .*no opt-in/);
});

const claim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: files, namespace: shop }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: app, namespace: shop }
spec:
  template:
    metadata: { labels: { app: app } }
    spec:
      containers: [{ name: app, image: acme/app:1, volumeMounts: [{ name: v, mountPath: /files }] }]
      volumes: [{ name: v, persistentVolumeClaim: { claimName: files } }]
`;

const hostile = '</script><img src=x onerror=alert(1)>\u001B[31m\u202E=cmd|calc';
const hostileReport = reportOf(
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: hostile, namespace: `"><b>${hostile}` },
    spec: { resources: { requests: { storage: '1Gi' } } },
  }),
);

test('names that are HTML or move the cursor are shown and never obeyed', () => {
  const printed = [
    scanTable(hostileReport),
    scanTable(hostileReport, true),
    scanHtml(hostileReport),
    scanCsv(hostileReport),
    scanDot(hostileReport),
    jsonText(hostileReport),
    JSON.stringify(plainTree(hostileReport)),
  ];
  for (const text of printed) assert.doesNotMatch(text, /(?!\n|\r)[\p{Cc}\p{Cf}]/u);
  assert.doesNotMatch(scanHtml(hostileReport), /<img|<b>"|<script/);
  assert.deepEqual(JSON.parse(jsonText({ a: hostile })), { a: hostile });
  assert.equal(plain('a\u001B[2Jb\nc'), String.raw`a\u001b[2Jb c`);
  assert.equal(html(`<a href='x'>&`), '&lt;a href=&#39;x&#39;&gt;&amp;');
  assert.equal(csvCell('=1+1,"x"'), `"'=1+1,""x"""`);
});

test('the page loads nothing from elsewhere and runs nothing', () => {
  const page = scanHtml(shop);
  assert.doesNotMatch(page, /<script|src=|href=|@import|url\(/);
  assert.match(page, /5 of 9 pieces|5 of \d+ pieces of data would be lost/);
  assert.match(page, /<svg/);
});

test('a baseline leaves only what is new or judged otherwise', () => {
  const known = new Set(shop.assets.filter((asset) => asset.name !== 'carts').map(baselineKey));
  assert.deepEqual(
    choose(shop, { known }).assets.map((asset) => asset.name),
    ['carts'],
  );
  assert.equal(choose(shop, { known }).totals.atRisk, 1);
});

test('what could not be read counts as unknown, also where all that was read is fine, until a baseline knows it', () => {
  const blind = reportOf('kind: [');
  assert.equal(blind.totals.unseen, 1);
  assert.match(scanTable(blind), /1 kind or file NOT SEEN/);
  assert.match(scanHtml(blind), /not everything could be seen/);
  const known = readBaseline('baseline.json', jsonText(blind));
  assert.equal(choose(blind, { known }).totals.unseen, 0);
});

test('what is the matter with backups is told beside what has none', () => {
  const label = 'labels: { app: db }';
  const report = reportOf(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: db, namespace: shop }
spec: { template: { metadata: { ${label} }, spec: { containers: [{ name: db, image: "postgres:16", volumeMounts: [{ name: d, mountPath: /var/lib/postgresql/data }] }], volumes: [{ name: d, persistentVolumeClaim: { claimName: pg } }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
---
${claim}
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: dump, namespace: shop }
spec: { schedule: "@daily", jobTemplate: { spec: { template: { spec: { containers: [{ name: c, image: alpine, command: [sh, -c, "pg_dump -h db x | aws s3 cp - s3://far/x"] }] } } } } }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: older, namespace: shop }
spec: { suspend: true, schedule: "@daily", jobTemplate: { spec: { template: { spec: { containers: [{ name: c, image: alpine, command: [sh, -c, "pg_dump -h db x | aws s3 cp - s3://far/x"] }] } } } } }
`);
  const names = report.findings.map(({ name, severity }) => `${name} ${severity}`);
  assert.ok(names.includes('DatabaseProtectedFilesNot risk'), names.join());
  assert.ok(names.includes('SchedulePaused warning'), names.join());
  assert.match(scanTable(report), /^ {2}! DatabaseProtectedFilesNot: /m);
  assert.match(scanHtml(report), /What is the matter with backups/);
});

test('label selectors select as kubectl does', () => {
  const labels = { app: 'shop', tier: 'db' };
  for (const selector of ['app=shop', 'app==shop,tier', 'tier!=web', 'tier in (db, web)', '!gone', 'tier notin (web)'])
    assert.equal(labelSelector(selector)(labels), true, selector);
  for (const selector of ['app=x', '!app', 'tier in (web)', 'app=shop,gone'])
    assert.equal(labelSelector(selector)(labels), false, selector);
  assert.throws(() => labelSelector('a b'), { code: 'Usage' });
});

test('what is proposed are the assets at risk, each with its reason', () => {
  const [policy, another] = proposePolicies(shop);
  assert.equal(another, undefined);
  assert.deepEqual(policy?.spec.assets.map((asset) => asset.name).toSorted(), [
    'carts',
    'events',
    'orders-db',
    'payments-db',
    'uploads',
  ]);
});

test('a name that fits several assets is not guessed', () => {
  assert.throws(() => findAsset(shop, 'nothing'), { code: 'NotFound' });
  const twice = reportOf(`${claim}\n---\n${claim.replaceAll('namespace: shop', 'namespace: other')}`);
  assert.throws(() => findAsset(twice, 'files'), { code: 'Usage' });
});

test('namespaces are proposed as one application only if the database has no other users', () => {
  const database = `apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: data }
spec:
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: "postgres:16" }] }
`;
  const user = (namespace: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: { name: app, namespace: ${namespace} }
spec:
  template:
    spec: { containers: [{ name: app, image: "acme/app:1", env: [{ name: DATABASE_URL, value: "postgres://app:secret@db.data.svc:5432/app" }] }] }
`;
  const names = (...parts: string[]): string[] =>
    reportOf(parts.join('---\n')).applications.map((application) => application.name);
  assert.deepEqual(names(database, user('web')), ['data+web']);
  assert.deepEqual(names(database, user('web'), user('shop')), ['data', 'shop', 'web']);
});
