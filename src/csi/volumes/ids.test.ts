import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  groupIdOf,
  memberIdOf,
  parseGroupId,
  parseSnapshotId,
  parseVolumeId,
  snapshotIdOf,
  volumeIdOf,
} from './ids.ts';

test('the same name gives the same id, and another name another', () => {
  assert.equal(volumeIdOf('pvc-1'), volumeIdOf('pvc-1'));
  assert.notEqual(volumeIdOf('pvc-1'), volumeIdOf('pvc-2'));
});

test('ids that were given are recognized as what they are, and as nothing else', () => {
  const volume = volumeIdOf('v');
  const group = groupIdOf('g');
  const member = memberIdOf(group, volume);
  assert.equal(parseVolumeId(volume), volume);
  assert.equal(parseGroupId(group), group);
  assert.deepEqual(parseSnapshotId(snapshotIdOf('s')), { id: snapshotIdOf('s'), groupId: undefined });
  assert.deepEqual(parseSnapshotId(member), { id: member, groupId: group });
  assert.equal(parseVolumeId(snapshotIdOf('s')), undefined);
  assert.equal(parseSnapshotId(volume), undefined);
});

test('a name never reaches a path, whatever it is', () => {
  for (const name of ['../../etc', '/etc/passwd', 'a/b', '.', '..', '\0', 'x'.repeat(10_000), 'ä€😀']) {
    assert.match(volumeIdOf(name), /^vol-[0-9a-f]{32}$/);
  }
});

test('text that only looks like an id is none', () => {
  const hash = 'a'.repeat(32);
  for (const text of [`vol-${hash}/..`, `../vol-${hash}`, `vol-${hash}\n`, `vol-${hash.toUpperCase()}`, 'vol-', '']) {
    assert.equal(parseVolumeId(text), undefined, JSON.stringify(text));
  }
  assert.equal(parseSnapshotId(`member-${hash}-../../x`), undefined);
});
