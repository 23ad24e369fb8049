import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discover } from '../discover.ts';
import { snapshotOfFiles } from '../snapshot/manifests.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { detectProtections } from './protections.ts';
import { storeFindings } from './stores.ts';

const nowMs = Date.parse('2026-11-25T12:00:00Z');
const today = '2026-11-25T01:00:00Z';
const longAgo = '2026-01-01T01:00:00Z';

function snapshotOf(content: string, kind: Snapshot['kind'] = 'cluster'): Snapshot {
  return { ...snapshotOfFiles([{ path: 'a.yaml', content }]), kind };
}

/** What is said of one asset: `tool state trouble: reason`, sorted. */
function told(content: string, name: string, kind?: Snapshot['kind']): string {
  const found = discover(snapshotOf(content, kind));
  return detectProtections({ ...found, nowMs })
    .filter(({ asset }) => asset.endsWith(`/${name}`))
    .map(
      ({ tool, state, trouble, reason }) => `${tool} ${state}${trouble === undefined ? '' : ` ${trouble}`}: ${reason}`,
    )
    .toSorted()
    .join('; ');
}

const claim = (name: string, more = '', spec = ''): string => `---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name}, namespace: shop${more} }
spec: { resources: { requests: { storage: 1Gi } }${spec} }
`;
const postgres = `---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: shop }
spec:
  serviceName: db
  template:
    metadata: { labels: { app: db } }
    spec:
      containers:
        - { name: postgres, image: "postgres:16", volumeMounts: [{ name: data, mountPath: /var/lib/postgresql/data }] }
      volumes: [{ name: data, persistentVolumeClaim: { claimName: pgdata } }]
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
`;
const cronJob = (
  script: string,
  more: { spec?: string; status?: string; volumes?: string; mounts?: string } = {},
): string => `---
apiVersion: batch/v1
kind: CronJob
metadata: { name: copy, namespace: shop }
spec:
  schedule: "0 1 * * *"
  ${more.spec ?? ''}
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: copy
              image: alpine
              command: [sh, -c, ${JSON.stringify(script)}]
              volumeMounts: [${more.mounts ?? ''}]
          volumes: [${more.volumes ?? ''}]
status: { lastSuccessfulTime: "${more.status ?? today}" }
`;
const custom = (apiVersion: string, kind: string, spec: string, more = ''): string => `---
apiVersion: ${apiVersion}
kind: ${kind}
metadata: { name: plan, namespace: shop }
spec: ${spec}
${more}
`;
const dumpVolume = {
  volumes: '{ name: out, persistentVolumeClaim: { claimName: dumps } }',
  mounts: '{ name: out, mountPath: /dumps }',
};
const toS3 = 'pg_dump -h db shop | aws s3 cp - s3://far-away/shop.sql';

const stories: readonly (readonly [title: string, manifests: string, asset: string, expected: RegExp])[] = [
  [
    'a nightly dump that leaves the cluster protects its database',
    postgres + cronJob(toS3),
    'db',
    /^job full: .*pg_dump/,
  ],
  [
    'a dump onto a claim is lost with the cluster',
    postgres + claim('dumps') + cronJob('pg_dump -h db shop > /dumps/shop.sql', dumpVolume),
    'db',
    /^job partial sameCluster: .*dumps/,
  ],
  [
    'a dump that is suspended is none',
    postgres + cronJob(toS3, { spec: 'suspend: true' }),
    'db',
    /^job failing paused/,
  ],
  [
    'one that last worked in winter is none',
    postgres + cronJob(toS3, { status: longAgo }),
    'db',
    /^job failing failing/,
  ],
  [
    'restic over a claim that a database writes to copies it hot',
    postgres +
      claim('pgdata') +
      cronJob('restic -r s3:s3.example.org/x backup /in', {
        volumes: '{ name: in, persistentVolumeClaim: { claimName: pgdata } }',
        mounts: '{ name: in, mountPath: /in, readOnly: true }',
      }),
    'pgdata',
    /^job partial hot/,
  ],
  [
    'a job that moves files copies nothing',
    claim('inbox') +
      cronJob('rsync -a --remove-source-files /in/ far:/archive', {
        volumes: '{ name: in, persistentVolumeClaim: { claimName: inbox } }',
        mounts: '{ name: in, mountPath: /in }',
      }),
    'inbox',
    /^$/,
  ],
  [
    'k8up copies all claims of its namespace',
    claim('files') +
      custom('k8up.io/v1', 'Schedule', '{ backup: { schedule: "@daily" } }', '') +
      custom('k8up.io/v1', 'Backup', '{}', `status: { finished: true }`).replace(
        'name: plan',
        `name: b, creationTimestamp: "${today}", ownerReferences: [{ kind: Schedule, name: plan, apiVersion: k8up.io/v1, uid: x }]`,
      ),
    'files',
    /^k8up full/,
  ],
  [
    'but for those that are annotated',
    claim('files', ', annotations: { k8up.io/backup: "false" }') +
      custom('k8up.io/v1', 'Schedule', '{ backup: { schedule: "@daily" } }'),
    'files',
    /^k8up skipped: .*annotation/,
  ],
  [
    'and a schedule without a backup so far has done nothing',
    claim('files') + custom('k8up.io/v1', 'Schedule', '{ backup: { schedule: "@daily" } }'),
    'files',
    /^k8up failing neverRan/,
  ],
  [
    'VolSync copies one claim',
    claim('files') +
      custom(
        'volsync.backube/v1alpha1',
        'ReplicationSource',
        '{ sourcePVC: files, trigger: { schedule: "0 * * * *" }, restic: { copyMethod: Snapshot } }',
        `status: { lastSyncTime: "${today}" }`,
      ),
    'files',
    /^volsync full/,
  ],
  [
    'unless it is paused',
    claim('files') +
      custom('volsync.backube/v1alpha1', 'ReplicationSource', '{ sourcePVC: files, paused: true, restic: {} }'),
    'files',
    /^volsync failing paused/,
  ],
  [
    'rsync keeps a live copy and no history',
    claim('files') +
      custom(
        'volsync.backube/v1alpha1',
        'ReplicationSource',
        '{ sourcePVC: files, rsyncTLS: {} }',
        `status: { lastSyncTime: "${today}" }`,
      ),
    'files',
    /^volsync partial incomplete/,
  ],
  [
    'a policy of Kasten that exports protects the claims of its namespace',
    claim('files') +
      custom(
        'config.kio.kasten.io/v1alpha1',
        'Policy',
        '{ frequency: "@daily", actions: [{ action: backup }, { action: export }], selector: { matchLabels: { k10.kasten.io/appNamespace: shop } } }',
      ),
    'files',
    /^kasten full/,
  ],
  [
    'one that does not export keeps snapshots beside their originals',
    claim('files') +
      custom(
        'config.kio.kasten.io/v1alpha1',
        'Policy',
        '{ frequency: "@daily", actions: [{ action: backup }], selector: { matchExpressions: [{ key: k10.kasten.io/appNamespace, operator: In, values: [shop] }] } }',
      ),
    'files',
    /^kasten partial sameStorage/,
  ],
  [
    'one on demand runs when somebody thinks of it',
    claim('files') +
      custom(
        'config.kio.kasten.io/v1alpha1',
        'Policy',
        '{ frequency: "@onDemand", actions: [{ action: backup }, { action: export }], selector: { matchLabels: { k10.kasten.io/appNamespace: shop } } }',
      ),
    'files',
    /^kasten failing paused/,
  ],
  [
    'one with filters leaves out what they exclude',
    claim('files') +
      custom(
        'config.kio.kasten.io/v1alpha1',
        'Policy',
        '{ frequency: "@daily", actions: [{ action: backup, backupParameters: { filters: { excludeResources: [{ resource: persistentvolumeclaims, name: files }] } } }], selector: { matchLabels: { k10.kasten.io/appNamespace: shop } } }',
      ),
    'files',
    /^kasten skipped/,
  ],
  [
    'a volume of Longhorn without labels has the jobs of the default group',
    claim('files', '', ', storageClassName: longhorn') +
      custom('longhorn.io/v1beta2', 'RecurringJob', '{ task: backup, cron: "0 1 * * *", groups: [default] }'),
    'files',
    /^longhorn full/,
  ],
  [
    'one that names a job has only that',
    claim(
      'files',
      ', labels: { recurring-job.longhorn.io/source: enabled, recurring-job.longhorn.io/other: enabled }',
      ', storageClassName: longhorn',
    ) + custom('longhorn.io/v1beta2', 'RecurringJob', '{ task: backup, cron: "0 1 * * *", groups: [default] }'),
    'files',
    /^$/,
  ],
  [
    'snapshots of Longhorn are lost with the volume',
    claim('files', '', ', storageClassName: longhorn') +
      custom('longhorn.io/v1beta2', 'RecurringJob', '{ task: snapshot, cron: "0 1 * * *", groups: [default] }'),
    'files',
    /^longhorn partial sameStorage/,
  ],
  [
    'Stash copies the claims of a workload, hot where it is a database',
    postgres +
      claim('pgdata') +
      custom(
        'stash.appscode.com/v1beta1',
        'BackupConfiguration',
        '{ schedule: "0 1 * * *", target: { ref: { apiVersion: apps/v1, kind: StatefulSet, name: db } } }',
      ),
    'pgdata',
    /^stash partial hot/,
  ],
  [
    'a tool that nobody knows is told, and never called protection',
    claim('files') + custom('kopiur.example.com/v1', 'SnapshotPolicy', '{ sources: [{ pvc: { name: files } }] }'),
    'files',
    /^unknown partial filtered: .*kopiur/,
  ],
  [
    'a snapshot that somebody made is no backup tool',
    claim('files') +
      custom('snapshot.storage.k8s.io/v1', 'VolumeSnapshot', '{ source: { persistentVolumeClaimName: files } }'),
    'files',
    /^$/,
  ],
  [
    'Gemini keeps snapshots in the storage',
    claim('files') +
      custom(
        'gemini.fairwinds.com/v1',
        'SnapshotGroup',
        '{ persistentVolumeClaim: { claimName: files }, schedule: [{ every: day, keep: 7 }] }',
      ),
    'files',
    /^gemini partial sameStorage/,
  ],
  [
    'CloudNativePG needs base backups and a log',
    cnpg('barmanObjectStore: { destinationPath: "s3://far/x" }', true),
    'orders',
    /^cloudnative-pg full/,
  ],
  [
    'a log alone restores nothing',
    cnpg('barmanObjectStore: { destinationPath: "s3://far/x" }', false),
    'orders',
    /^cloudnative-pg partial incomplete/,
  ],
  ['a schedule without a store fails', cnpg('retentionPolicy: 30d', true), 'orders', /^cloudnative-pg failing failing/],
  [
    'Percona turned off is off',
    custom(
      'psmdb.percona.com/v1',
      'PerconaServerMongoDB',
      '{ replsets: [{ name: rs0, size: 3 }], backup: { enabled: true, tasks: [{ name: d, enabled: false, schedule: "0 1 * * *" }] } }',
    ),
    'plan',
    /^operator failing paused/,
  ],
  [
    'Percona to S3 protects',
    custom(
      'psmdb.percona.com/v1',
      'PerconaServerMongoDB',
      '{ replsets: [{ name: rs0, size: 3 }], backup: { enabled: true, storages: { far: { type: s3 } }, tasks: [{ name: d, enabled: true, schedule: "0 1 * * *", storageName: far }] } }',
    ),
    'plan',
    /^operator full/,
  ],
  [
    'a repository of pgBackRest on a claim is lost with the cluster',
    custom(
      'postgres-operator.crunchydata.com/v1beta1',
      'PostgresCluster',
      '{ instances: [{ name: i }], backups: { pgbackrest: { repos: [{ name: repo1, schedules: { full: "0 1 * * 0" }, volume: {} }] } } }',
    ),
    'plan',
    /^operator partial sameCluster/,
  ],
];

function cnpg(backup: string, scheduled: boolean): string {
  return `---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: { name: orders, namespace: shop }
spec: { instances: 1, storage: { size: 1Gi }, backup: { ${backup} } }
${
  scheduled
    ? `---
apiVersion: postgresql.cnpg.io/v1
kind: ScheduledBackup
metadata: { name: nightly, namespace: shop }
spec: { schedule: "0 0 1 * * *", cluster: { name: orders } }
---
apiVersion: postgresql.cnpg.io/v1
kind: Backup
metadata: { name: last, namespace: shop }
spec: { cluster: { name: orders } }
status: { phase: completed, stoppedAt: "${today}" }
`
    : ''
}`;
}

for (const [title, manifests, asset, expected] of stories)
  test(title, () => assert.match(told(manifests, asset), expected));

test('in manifests nobody can know whether a schedule has run', () => {
  const manifests = claim('files') + custom('k8up.io/v1', 'Schedule', '{ backup: { schedule: "@daily" } }');
  assert.match(told(manifests, 'files', 'manifests'), /^k8up full/);
});

const location = (url: string): string =>
  custom('velero.io/v1', 'BackupStorageLocation', `{ provider: aws, config: { s3Url: "${url}" } }`);
const password = (value: string): string => `---
apiVersion: v1
kind: Secret
metadata: { name: velero-repo-credentials, namespace: velero }
stringData: { repository-password: ${value} }
`;

const minio = `---
apiVersion: v1
kind: Service
metadata: { name: minio, namespace: shop }
spec: { selector: { app: minio }, ports: [{ port: 9000 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: minio, namespace: shop }
spec: { template: { metadata: { labels: { app: minio } }, spec: { containers: [{ name: minio, image: minio/minio }] } } }
`;

for (const [title, manifests, expected] of [
  [
    'a store on a Service of the cluster is lost with it',
    minio + location('http://minio.shop.svc:9000'),
    ['StoreInSameCluster', 'NoImmutability'],
  ],
  [
    'a store at a private address may share its fate',
    location('https://10.0.0.5:9000'),
    ['StoreInSameFailureDomain', 'NoImmutability'],
  ],
  ['a store elsewhere may be emptied by whoever has its key', location('https://s3.example.com'), ['NoImmutability']],
  [
    'unless it says how long it keeps what it has',
    custom(
      'config.kio.kasten.io/v1alpha1',
      'Profile',
      '{ locationSpec: { objectStore: { endpoint: s3.example.com, protectionPeriod: 168h } } }',
    ),
    [],
  ],
  [
    'the password that everybody has is told, and so is a key that only the cluster has',
    password('static-passw0rd'),
    ['DefaultRepositoryPassword', 'KeyOnlyInCluster'],
  ],
  ['a password of one’s own is only kept in one place', password('correct-horse'), ['KeyOnlyInCluster']],
] as const)
  test(title, () => {
    const { index, services } = discover(snapshotOf(manifests));
    const findings = storeFindings(index, services);
    assert.deepEqual(
      findings.map(({ name }) => name),
      expected,
    );
    assert.doesNotMatch(JSON.stringify(findings), /correct-horse|static-passw0rd/);
  });
