import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { chooseCapacity, chooseExpansion, fitsRange } from './capacity.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const pool = { poolBytes: 20 * GiB };
const outOfRange = { code: status.OUT_OF_RANGE };
const range = (requiredBytes?: number, limitBytes?: number) => ({ requiredBytes, limitBytes });

test('a volume gets exactly what is required, in whole blocks', () => {
  assert.equal(chooseCapacity(range(5 * GiB), { fsType: 'ext4', ...pool }), 5 * GiB);
  assert.equal(chooseCapacity(range(100_000_001), { fsType: 'ext4', ...pool }), 100_003_840);
});

test('a volume without a wish has 1 GiB, or less where the limit says so', () => {
  assert.equal(chooseCapacity(range(), { fsType: 'ext4', ...pool }), GiB);
  assert.equal(chooseCapacity(range(undefined, 100 * MiB), { fsType: 'ext4', ...pool }), 100 * MiB);
});

test('a small wish is raised to what the filesystem needs, unless the limit forbids it', () => {
  assert.equal(chooseCapacity(range(1), { fsType: 'ext4', ...pool }), 16 * MiB);
  assert.equal(chooseCapacity(range(1), { fsType: 'xfs', ...pool }), 300 * MiB);
  assert.throws(() => chooseCapacity(range(1, 200 * MiB), { fsType: 'xfs', ...pool }), outOfRange);
});

test('rounding up never exceeds the limit', () => {
  assert.throws(() => chooseCapacity(range(100_000_001, 100_000_001), { fsType: 'ext4', ...pool }), outOfRange);
});

test('a volume larger than the pool is out of range', () => {
  assert.throws(() => chooseCapacity(range(21 * GiB), { fsType: 'ext4', ...pool }), outOfRange);
  assert.throws(() => chooseExpansion(range(21 * GiB), { currentBytes: GiB, ...pool }), outOfRange);
});

test('a copy is as large as its source or larger, never smaller', () => {
  const context = { fsType: 'ext4', sourceBytes: 2 * GiB, ...pool } as const;
  assert.equal(chooseCapacity(range(), context), 2 * GiB);
  assert.equal(chooseCapacity(range(3 * GiB), context), 3 * GiB);
  assert.throws(() => chooseCapacity(range(GiB), context), outOfRange);
  assert.throws(() => chooseCapacity(range(undefined, GiB), context), outOfRange);
});

test('an expansion never shrinks, and refuses a limit that is passed already', () => {
  assert.equal(chooseExpansion(range(2 * GiB), { currentBytes: GiB, ...pool }), 2 * GiB);
  assert.equal(chooseExpansion(range(MiB), { currentBytes: GiB, ...pool }), GiB);
  assert.throws(() => chooseExpansion(range(MiB, 2 * MiB), { currentBytes: GiB, ...pool }), outOfRange);
});

test('a size fits a range when it is between its ends', () => {
  assert.ok(fitsRange(GiB, range()));
  assert.ok(fitsRange(GiB, range(GiB, GiB)));
  assert.ok(!fitsRange(GiB, range(GiB + 1)));
  assert.ok(!fitsRange(GiB, range(undefined, GiB - 1)));
});
