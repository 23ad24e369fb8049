import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupDiffers, snapshotDiffers, volumeDiffers } from './idempotency.ts';

const existing = { bytes: 1000, fsType: 'ext4', source: undefined } as const;
const range = (requiredBytes?: number, limitBytes?: number) => ({ requiredBytes, limitBytes });

test('the same wishes are the same volume', () => {
  assert.equal(volumeDiffers(existing, { range: range(1000) }), undefined);
  assert.equal(volumeDiffers(existing, { range: range(), fsType: 'ext4' }), undefined);
});

test('a volume that has grown since still answers the call that made it', () => {
  assert.equal(volumeDiffers({ ...existing, bytes: 5000 }, { range: range(1000) }), undefined);
});

test('another size, filesystem or source is another volume', () => {
  assert.match(volumeDiffers(existing, { range: range(2000) }) ?? '', /1000 bytes/);
  assert.match(volumeDiffers(existing, { range: range(undefined, 500) }) ?? '', /1000 bytes/);
  assert.match(volumeDiffers(existing, { range: range(), fsType: 'xfs' }) ?? '', /ext4/);
  assert.match(volumeDiffers(existing, { range: range(), source: { volumeId: 'v' } }) ?? '', /no source/);
  const copy = { ...existing, source: { snapshotId: 's' } };
  assert.equal(volumeDiffers(copy, { range: range(), source: { snapshotId: 's' } }), undefined);
  assert.match(volumeDiffers(copy, { range: range(), source: { volumeId: 's' } }) ?? '', /snapshot s/);
  assert.match(volumeDiffers(copy, { range: range() }) ?? '', /snapshot s/);
});

test('a snapshot is the same when its volume is', () => {
  assert.equal(snapshotDiffers({ sourceVolumeId: 'v' }, 'v'), undefined);
  assert.match(snapshotDiffers({ sourceVolumeId: 'v' }, 'w') ?? '', /volume v/);
});

test('a group is the same when it has the same volumes, in any order', () => {
  assert.equal(groupDiffers({ sourceVolumeIds: ['a', 'b'] }, ['b', 'a']), undefined);
  assert.match(groupDiffers({ sourceVolumeIds: ['a', 'b'] }, ['a']) ?? '', /a, b/);
  assert.match(groupDiffers({ sourceVolumeIds: ['a'] }, ['a', 'b']) ?? '', /a/);
});
