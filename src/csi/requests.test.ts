import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import {
  parseCapability,
  parseCapabilities,
  parseCapacityRange,
  parseContentSource,
  refuseParameters,
  requireName,
  requirePath,
} from './requests.ts';

const refused = (field: RegExp) => ({ code: status.INVALID_ARGUMENT, message: field });
const mount = (fields: { fs_type?: string; mount_flags?: string[]; mode?: string } = {}) => ({
  mount: { fs_type: fields.fs_type ?? '', mount_flags: fields.mount_flags ?? [] },
  access_mode: { mode: fields.mode ?? 'SINGLE_NODE_WRITER' },
});

test('a name is needed, at most 128 bytes, without control characters', () => {
  assert.equal(requireName('name', '../ä'), '../ä');
  for (const name of ['', 'x'.repeat(129), 'ä'.repeat(65), 'a\nb', 'a\0b']) {
    assert.throws(() => requireName('name', name), refused(/^name /));
  }
});

test('a path is absolute and exactly what it seems to be', () => {
  assert.equal(requirePath('target_path', '/a/b/'), '/a/b');
  for (const path of ['', 'a/b', '/', '/a/../b', '/a//b', '/a/./b', '/a\0b', `/${'x'.repeat(5000)}`]) {
    assert.throws(() => requirePath('target_path', path), refused(/^target_path /), JSON.stringify(path));
  }
});

test('filesystem volumes on one node are offered, with how they may be used', () => {
  const writer = parseCapability('c', mount({ fs_type: 'xfs', mount_flags: ['noatime'] }));
  assert.deepEqual(writer, { fsType: 'xfs', mountFlags: ['noatime'], readOnly: false, singleTarget: false });
  assert.ok(parseCapability('c', mount({ mode: 'SINGLE_NODE_READER_ONLY' })).readOnly);
  assert.ok(parseCapability('c', mount({ mode: 'SINGLE_NODE_SINGLE_WRITER' })).singleTarget);
});

test('what is not offered is refused by the name of its field', () => {
  const single = { access_mode: { mode: 'SINGLE_NODE_WRITER' } };
  assert.throws(() => parseCapability('c', null), refused(/^c /));
  assert.throws(() => parseCapability('c', { block: {}, ...single }), refused(/^c\.block /));
  assert.throws(() => parseCapability('c', single), refused(/^c\.mount /));
  assert.throws(() => parseCapability('c', mount({ fs_type: 'btrfs' })), refused(/^c\.mount\.fs_type /));
  assert.throws(() => parseCapability('c', mount({ mode: 'MULTI_NODE_MULTI_WRITER' })), refused(/^c\.access_mode/));
  assert.throws(() => parseCapability('c', mount({ mode: 'UNKNOWN' })), refused(/is missing/));
});

test('mount options that reach outside of the filesystem are refused', () => {
  for (const flag of ['loop=/dev/sda', 'remount', 'bind', 'noatime,suid', 'offset=1', 'x-mount.mkdir', '']) {
    assert.throws(() => parseCapability('c', mount({ mount_flags: [flag] })), refused(/mount_flags /), flag);
  }
});

test('several capabilities must agree on the filesystem', () => {
  assert.deepEqual(parseCapabilities('c', [mount(), mount({ fs_type: 'xfs' })]), { fsType: 'xfs' });
  assert.deepEqual(parseCapabilities('c', [mount()]), {});
  assert.throws(() => parseCapabilities('c', [mount({ fs_type: 'ext4' }), mount({ fs_type: 'xfs' })]), refused(/^c /));
  assert.throws(() => parseCapabilities('c', []), refused(/^c /));
});

test('a capacity range must make sense', () => {
  assert.deepEqual(parseCapacityRange(null), { requiredBytes: undefined, limitBytes: undefined });
  assert.deepEqual(parseCapacityRange({ required_bytes: 5, limit_bytes: 0 }).requiredBytes, 5);
  assert.throws(() => parseCapacityRange({ required_bytes: -1, limit_bytes: 0 }), refused(/required_bytes/));
  assert.throws(() => parseCapacityRange({ required_bytes: 2, limit_bytes: 1 }), refused(/required_bytes/));
  assert.throws(() => parseCapacityRange({ required_bytes: 2 ** 62, limit_bytes: 0 }), { code: status.OUT_OF_RANGE });
});

test('a content source names a snapshot or a volume', () => {
  assert.equal(parseContentSource(null), undefined);
  assert.deepEqual(parseContentSource({ snapshot: { snapshot_id: 's' } }), { snapshotId: 's' });
  assert.deepEqual(parseContentSource({ volume: { volume_id: 'v' } }), { volumeId: 'v' });
  assert.throws(() => parseContentSource({}), refused(/volume_content_source/));
  assert.throws(() => parseContentSource({ snapshot: { snapshot_id: '' } }), refused(/snapshot_id/));
});

test('parameters nobody knows are refused, those of the sidecars pass', () => {
  refuseParameters('parameters', { 'csi.storage.k8s.io/pvc/name': 'x' });
  assert.throws(() => refuseParameters('parameters', { fstype: 'xfs' }), refused(/"fstype"/));
});
