import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assetIdOf, type Asset, type Sign } from '#api/asset';
import type { KubeObject } from '#api/objects';
import { indexObjects } from '../snapshot/snapshot.ts';
import { velero } from './velero.ts';

const nowMs = Date.parse('2026-11-25T12:00:00Z');
const namespace = 'velero';

interface Story {
  readonly spec?: object;
  readonly template?: object;
  /** Status of the newest backup; `none` if there was never one. */
  readonly last?: object | 'none';
  readonly status?: object;
  readonly others?: readonly KubeObject[];
  readonly labels?: Record<string, string>;
  readonly signs?: readonly Sign[];
  readonly role?: 'server' | 'job';
  readonly kind?: 'cluster' | 'manifests';
  readonly sizeBytes?: number;
}

const completed = { phase: 'Completed', startTimestamp: '2026-11-25T01:00:00Z' };
const csiClass: KubeObject = {
  apiVersion: 'snapshot.storage.k8s.io/v1',
  kind: 'VolumeSnapshotClass',
  metadata: { name: 'csi', labels: { 'velero.io/csi-volumesnapshot-class': 'true' } },
  driver: 'csi.example.com',
};
const serverFiles: Sign = {
  means: 'server-files',
  says: 'is the data folder of PostgreSQL',
  evidence: [],
  strength: 'strong',
};
const location = (phase: string): KubeObject => ({
  apiVersion: 'velero.io/v1',
  kind: 'BackupStorageLocation',
  metadata: { name: 'default', namespace },
  spec: { default: true },
  status: { phase },
});

/** What a schedule means for one claim of the namespace shop. */
function told(story: Story): string {
  const schedule: KubeObject = {
    apiVersion: 'velero.io/v1',
    kind: 'Schedule',
    metadata: { name: 'nightly', namespace },
    spec: { schedule: '0 1 * * *', template: story.template ?? {}, ...story.spec },
    status: story.status ?? { phase: 'Enabled' },
  };
  const backup: KubeObject = {
    apiVersion: 'velero.io/v1',
    kind: 'Backup',
    metadata: { name: 'nightly-1', namespace, labels: { 'velero.io/schedule-name': 'nightly' } },
    status: story.last ?? completed,
  };
  const objects = [schedule, ...(story.last === 'none' ? [] : [backup]), ...(story.others ?? [])];
  const asset: Asset = {
    id: assetIdOf('shop', 'volume', 'files'),
    kind: 'volume',
    namespace: 'shop',
    name: 'files',
    application: 'shop',
    title: 'volume',
    ...(story.sizeBytes === undefined ? {} : { sizeBytes: story.sizeBytes }),
    volume: {
      source: 'claim',
      claim: 'files',
      driver: 'csi.example.com',
      labels: story.labels ?? {},
      mounts: [
        {
          workload: 'deployment/web',
          container: 'web',
          image: 'web',
          path: '/files',
          readOnly: false,
          role: story.role ?? 'server',
        },
      ],
    },
    signs: story.signs ?? [],
  };
  const index = indexObjects({ source: 'test', kind: story.kind ?? 'cluster', objects, unseen: [] });
  return velero
    .detect({ index, workloads: [], assets: [asset], relations: [], nowMs })
    .map(({ state, reason }) => `${state}: ${reason}`)
    .join('; ');
}

const files = { defaultVolumesToFsBackup: true };
const withPolicy = { ...files, resourcePolicy: { kind: 'configmap', name: 'p' } };
const policies = (conditions: string, action: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'p', namespace },
  data: { policies: `version: v1\nvolumePolicies:\n- conditions: { ${conditions} }\n  action: { type: ${action} }\n` },
});

const stories: readonly (readonly [string, Story, RegExp])[] = [
  ['files of a program that a schedule copies every night are protected', { template: files }, /^full: /],
  ['another namespace is not its business', { template: { ...files, includedNamespaces: ['other'] } }, /^$/],
  ['a namespace that is covered without opt-in copies no data', {}, /^skipped: .*no opt-in/],
  ['a schedule that has never run protects nothing', { template: files, last: 'none' }, /^failing: .*never run/],
  [
    'in a folder of manifests nobody can know whether it ran',
    { template: files, last: 'none', kind: 'manifests' },
    /^full: /,
  ],
  ['a paused schedule protects nothing', { template: files, spec: { paused: true } }, /^failing: .*paused/],
  [
    'a schedule that Velero refuses protects nothing',
    { template: files, status: { phase: 'FailedValidation' } },
    /^failing: .*not valid/,
  ],
  [
    'a failed backup is a failing schedule',
    { template: files, last: { ...completed, phase: 'Failed' } },
    /^failing: .*Failed/,
  ],
  [
    'so is one that failed before it began',
    { template: files, last: { phase: 'FailedValidation' } },
    /^failing: .*FailedValidation/,
  ],
  [
    'and one that succeeded in part',
    { template: files, last: { ...completed, phase: 'PartiallyFailed' } },
    /^failing: /,
  ],
  [
    'a success of last year is none',
    { template: files, last: { ...completed, startTimestamp: '2025-11-01T00:00:00Z' } },
    /^failing: .*older/,
  ],
  [
    'a backup location that is unavailable takes nothing',
    { template: files, others: [location('Unavailable')] },
    /^failing: .*unavailable/,
  ],
  ['one that is available does', { template: files, others: [location('Available')] }, /^full: /],
  [
    'a resource policy may leave it out',
    { template: { ...files, resourcePolicy: { kind: 'configmap', name: 'p' } } },
    /^partial: .*"p"/,
  ],
  [
    'the first policy that fits decides: here it skips what is large',
    { template: withPolicy, others: [policies('capacity: "500Mi,"', 'skip')], sizeBytes: 2 ** 30 },
    /^skipped: .*resource policy "p"/,
  ],
  [
    'one that does not fit leaves all as it is',
    { template: withPolicy, others: [policies('capacity: "5Gi,"', 'skip')], sizeBytes: 2 ** 30 },
    /^full: /,
  ],
  [
    'one whose condition cannot be decided may leave it out',
    { template: withPolicy, others: [policies('capacity: "5Gi,"', 'skip')] },
    /^partial: .*"p"/,
  ],
  [
    'a policy may ask for a file backup that nobody else asked for',
    {
      template: { resourcePolicy: { kind: 'configmap', name: 'p' } },
      others: [policies('pvcLabels: {}', 'fs-backup')],
    },
    /^full: .*resource policy/,
  ],
  ['a CSI snapshot that is not moved is lost with its storage', { others: [csiClass] }, /^partial: .*lost with it/],
  [
    'one that is moved is a copy',
    { template: { snapshotMoveData: true }, others: [csiClass] },
    /^full: .*CSI snapshot/,
  ],
  [
    'a snapshot needs the claim in the backup',
    { template: { includedResources: ['pods'] }, others: [csiClass] },
    /^skipped: /,
  ],
  ['a file backup needs the pod in the backup', { template: { ...files, includedResources: ['pvc'] } }, /^skipped: /],
  ['and a pod that runs all the time', { template: files, role: 'job' }, /^skipped: /],
  [
    'files of a running server are no backup of it',
    { template: files, signs: [serverFiles] },
    /^partial: .*without a hook/,
  ],
  [
    'unless a hook makes them hold still',
    { template: files, signs: [serverFiles], labels: { 'pre.hook.backup.velero.io/command': '["fsfreeze"]' } },
    /^full: /,
  ],
  [
    'a label excludes it',
    { template: files, labels: { 'velero.io/exclude-from-backup': 'true' } },
    /^skipped: .*exclude-from-backup/,
  ],
  [
    'a selector leaves it out',
    { template: { ...files, labelSelector: { matchLabels: { tier: 'gold' } } } },
    /^skipped: .*selects by labels/,
  ],
];

for (const [story, given, expected] of stories) {
  test(story, () => assert.match(told(given), expected));
}
