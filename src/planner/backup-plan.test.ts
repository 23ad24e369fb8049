import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { objectsAsset, planBackup } from './backup-plan.ts';
import type { ClaimFacts, Inventory } from './facts.ts';

const claim = (name: string, more: Partial<ClaimFacts> = {}): ClaimFacts => ({
  name,
  phase: 'Bound',
  volumeMode: 'Filesystem',
  accessModes: ['ReadWriteOnce'],
  storageClass: 'fast',
  capacityBytes: 1024,
  csi: { driver: 'csi.example', volumeHandle: `handle-${name}` },
  source: 'csi',
  snapshotClass: 'snap',
  groupSnapshotClass: 'group',
  ...more,
});
const inventory = (...claims: ClaimFacts[]): Inventory => ({ namespace: 'shop', claims, objectCount: 7, skipped: [] });
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof SalvorError) return error.code;
  }
  return 'no error';
};

test('volumes whose driver has group snapshots are cut in one, and moved after it', () => {
  const plan = planBackup(inventory(claim('a'), claim('b')), 'shop-1');
  const group = plan.steps.find((step) => step.kind === 'SnapshotGroup');
  assert.deepEqual(group?.claims, ['a', 'b']);
  assert.equal(plan.consistency, 'Causal');
  for (const name of ['a', 'b']) {
    assert.deepEqual(plan.steps.find((step) => step.id === `move/${name}`)?.dependsOn, [group?.id]);
  }
});

test('the seal comes after every other step, whether it succeeded or not', () => {
  const plan = planBackup(inventory(claim('a')), 'shop-1');
  const seal = plan.steps.find((step) => step.kind === 'SealPoint');
  assert.deepEqual(seal?.dependsOn, []);
  assert.deepEqual(new Set(seal?.after), new Set(plan.steps.filter((step) => step !== seal).map((step) => step.id)));
});

test('without group snapshots several volumes are each at their own moment, and the plan says so', () => {
  const plan = planBackup(
    inventory(claim('a', { groupSnapshotClass: undefined }), claim('b', { groupSnapshotClass: undefined })),
    'shop-1',
  );
  assert.equal(plan.consistency, 'PerAsset');
  assert.equal(plan.steps.filter((step) => step.kind === 'SnapshotVolume').length, 2);
});

test('two drivers make two groups, which is not one moment', () => {
  const other = claim('b', { csi: { driver: 'other.example', volumeHandle: 'x' } });
  const plan = planBackup(inventory(claim('a'), other), 'shop-1');
  assert.equal(plan.steps.filter((step) => step.kind === 'SnapshotGroup').length, 2);
  assert.equal(plan.consistency, 'PerAsset');
});

test('every bound claim is an asset, and the objects are one more', () => {
  const plan = planBackup(inventory(claim('a'), claim('b')), 'shop-1');
  assert.deepEqual(
    plan.assets.map((asset) => asset.name),
    [objectsAsset, 'a', 'b'],
  );
});

test('a claim without a volume is skipped with a reason, never silently', () => {
  const plan = planBackup(inventory(claim('a', { phase: 'Pending', csi: undefined })), 'shop-1');
  assert.deepEqual(
    plan.skipped.map((skip) => [skip.what, skip.rule]),
    [['persistentvolumeclaim/a', 'claimHasNoVolume']],
  );
});

test('a volume that cannot be captured stops the plan before anything is done', () => {
  assert.equal(
    codeOf(() => planBackup(inventory(claim('a', { csi: undefined, source: 'hostPath' })), 'p')),
    'SnapshotClassMissing',
  );
  assert.equal(
    codeOf(() => planBackup(inventory(claim('a', { snapshotClass: undefined })), 'p')),
    'SnapshotClassMissing',
  );
  assert.equal(
    codeOf(() => planBackup(inventory(claim('a', { volumeMode: 'Block' })), 'p')),
    'InvalidInput',
  );
});
