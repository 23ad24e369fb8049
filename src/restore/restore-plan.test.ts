import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ledger, LedgerAsset } from '#api/ledger';
import type { KubeObject } from '#api/objects';
import { planRestore } from './restore-plan.ts';

const object = (kind: string, name: string, fields: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
  ...fields,
});
const volume = (name: string, result: LedgerAsset['result'] = 'Captured'): LedgerAsset => ({
  name,
  kind: 'volume',
  method: 'volume-files',
  captured: { items: 1, bytes: 1 },
  storedBytes: 1,
  result,
  issues: [],
  issuesTotal: 0,
  volume: { claim: name, capacityBytes: 1024, accessModes: ['ReadWriteOnce'] },
});
const ledger = (...assets: LedgerAsset[]): Ledger => ({
  apiVersion: 'salvor.dev/v1alpha1',
  kind: 'Ledger',
  point: 'shop-1',
  application: 'shop',
  namespace: 'shop',
  startedAt: '',
  cutAt: '',
  finishedAt: '',
  consistency: 'Causal',
  cut: '',
  result: 'Complete',
  assets,
  skipped: [],
});
const objects = [
  object('Namespace', 'shop'),
  object('Secret', 's'),
  object('PersistentVolumeClaim', 'data'),
  object('PersistentVolumeClaim', 'empty'),
  object('Service', 'web'),
  { ...object('StatefulSet', 'db'), apiVersion: 'apps/v1' },
  object('Wombat', 'w'),
];

test('workloads start only after every volume has its data', () => {
  const plan = planRestore(ledger(volume('data')), { objects, cluster: [] }, { acceptPartial: false });
  const workloads = plan.steps.find((step) => step.id === 'workloads');
  assert.ok(workloads?.dependsOn.includes('volume/data'));
  assert.deepEqual(
    workloads?.kind === 'ApplyObjects' ? workloads.objects : [],
    ['apps/v1/StatefulSet/db', 'v1/Wombat/w'],
    'an unknown kind may start pods',
  );
});

test('a claim with data comes from its volume step, one without from its object', () => {
  const plan = planRestore(ledger(volume('data')), { objects, cluster: [] }, { acceptPartial: false });
  const claims = plan.steps.find((step) => step.id === 'claims');
  assert.deepEqual(claims?.kind === 'ApplyObjects' ? claims.objects : [], ['v1/PersistentVolumeClaim/empty']);
});

test('every stored object is in exactly one step or has a reason not to be', () => {
  const done = {
    ...object('Job', 'migrate', { status: { conditions: [{ type: 'Complete', status: 'True' }] } }),
    apiVersion: 'batch/v1',
  };
  const plan = planRestore(
    ledger(volume('data')),
    { objects: [...objects, done], cluster: [object('ClusterRole', 'r')] },
    { acceptPartial: false },
  );
  const placed = plan.steps.flatMap((step) => (step.kind === 'ApplyObjects' ? step.objects : []));
  assert.equal(placed.length, new Set(placed).size);
  // All but the namespace, the claim that a volume step makes, and the Job that had ended.
  assert.equal(placed.length, objects.length + 2 - 3);
  assert.deepEqual(
    plan.skipped.map((skip) => skip.rule),
    ['finishedJob'],
  );
});

test('a partial recovery point is refused unless its loss is accepted, and then the loss is told', () => {
  const partial = ledger(volume('data'), volume('lost', 'Missing'));
  assert.throws(
    () => planRestore(partial, { objects, cluster: [] }, { acceptPartial: false }),
    /partial: lost is missing/,
  );
  const plan = planRestore(partial, { objects, cluster: [] }, { acceptPartial: true });
  assert.deepEqual(
    plan.volumes.map((asset) => asset.name),
    ['data'],
  );
  assert.deepEqual(
    plan.skipped.map((skip) => [skip.what, skip.rule]),
    [['lost', 'notCaptured']],
  );
});
