import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepResult } from '#execution/execute';
import type { BackupResult } from '#mover/protocol';
import { planBackup } from '#planner/backup-plan';
import type { ClaimFacts } from '#planner/facts';
import type { BlobId } from '#repository/types';
import { SalvorError } from '#shared/errors';
import { composeLedger } from './compose-ledger.ts';
import type { StepValue } from './compose-ledger.ts';

const claim = (name: string): ClaimFacts => ({
  name,
  phase: 'Bound',
  volumeMode: 'Filesystem',
  accessModes: ['ReadWriteOnce'],
  capacityBytes: 1024,
  csi: { driver: 'd', volumeHandle: name },
  source: 'csi',
  snapshotClass: 's',
  groupSnapshotClass: 'g',
});
const plan = planBackup({ namespace: 'shop', claims: [claim('a'), claim('b')], objectCount: 3, skipped: [] }, 'shop-1');
const tree = 'ab'.repeat(32) as BlobId;
const three = { items: 3, bytes: 30 };

const moved = (asset: string, more: Partial<BackupResult> = {}): StepResult<StepValue> => ({
  state: 'done',
  value: {
    kind: 'moved',
    result: {
      kind: 'backup',
      asset,
      tree,
      node: {
        name: Buffer.alloc(0),
        type: 'dir',
        mode: 0o755,
        mtimeNs: 0n,
        atimeNs: 0n,
        ctimeNs: 0n,
        uid: 0,
        gid: 0,
        inode: 1n,
        deviceId: 0n,
        subtree: tree,
      },
      ledger: { plannedItems: 5, plannedBytes: 50, capturedItems: 5, capturedBytes: 50 },
      newBytes: 50,
      storedBytes: 20,
      issues: [],
      issuesTotal: 0,
      skipped: [],
      skippedTotal: 0,
      ...more,
    },
  },
});
const objects: StepResult<StepValue> = {
  state: 'done',
  value: { kind: 'objects', nodes: [], hash: tree, planned: three, captured: three, storedBytes: 3, issues: [] },
};
const snapshots: StepResult<StepValue> = {
  state: 'done',
  value: { kind: 'snapshots', handles: new Map(), takenAtMs: 1_000 },
};
const compose = (results: Record<string, StepResult<StepValue>>, hasTree = true) =>
  composeLedger({
    plan,
    results: new Map(Object.entries({ objects, 'snapshot/d': snapshots, ...results })),
    startedAtMs: 0,
    nowMs: 2_000,
    hasTree: () => hasTree,
  });
const resultOf = (ledger: ReturnType<typeof compose>, name: string) =>
  ledger.assets.find((asset) => asset.name === name)?.result;

test('all assets captured as planned make a complete recovery point, dated by its cut', () => {
  const ledger = compose({ 'move/a': moved('a'), 'move/b': moved('b') });
  assert.equal(ledger.result, 'Complete');
  assert.equal(ledger.cutAt, '1970-01-01T00:00:01.000Z');
});

test('a volume that lacks one file is short, and the point partial', () => {
  const ledger = compose({
    'move/a': moved('a'),
    'move/b': moved('b', { ledger: { plannedItems: 5, plannedBytes: 50, capturedItems: 4, capturedBytes: 50 } }),
  });
  assert.equal(resultOf(ledger, 'b'), 'Short');
  assert.equal(ledger.result, 'Partial');
});

test('a volume whose snapshot failed is missing, with the first cause as its reason', () => {
  const error = new SalvorError('no space left in the pool', { code: 'SnapshotFailed' });
  const ledger = compose({
    'snapshot/d': { state: 'failed', error },
    'move/a': { state: 'blocked', by: 'snapshot/d' },
    'move/b': { state: 'blocked', by: 'snapshot/d' },
  });
  const entry = ledger.assets.find((asset) => asset.name === 'a');
  assert.equal(entry?.result, 'Missing');
  assert.deepEqual(entry?.issues, [{ path: '', code: 'SnapshotFailed', message: 'no space left in the pool' }]);
});

test("a mover's word is not enough: a tree that the repository does not hold is missing", () => {
  assert.equal(resultOf(compose({ 'move/a': moved('a'), 'move/b': moved('b') }, false), 'a'), 'Missing');
});

test('a step that never ran leaves its asset missing, not out', () => {
  const ledger = compose({ 'move/a': moved('a') });
  assert.equal(ledger.assets.length, 3);
  assert.equal(resultOf(ledger, 'b'), 'Missing');
});

test('objects that could not be listed make the objects short', () => {
  const issues = [{ path: 'wombats.example', code: 'ClusterForbidden', message: 'forbidden' }];
  const short: StepResult<StepValue> = {
    state: 'done',
    value: {
      kind: 'objects',
      nodes: [],
      hash: tree,
      planned: { items: 4, bytes: 30 },
      captured: three,
      storedBytes: 3,
      issues,
    },
  };
  assert.equal(resultOf(compose({ objects: short, 'move/a': moved('a'), 'move/b': moved('b') }), '(objects)'), 'Short');
});
