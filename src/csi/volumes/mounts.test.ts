import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceOf, mountAt, parseMountInfo } from './mounts.ts';

const text = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
63 24 7:0 / /var/lib/kubelet/staging rw,relatime - ext4 /dev/loop0 rw
64 24 7:0 / /var/lib/kubelet/pods/a\\040b/mount ro,relatime - ext4 /dev/loop0 rw
65 24 7:1 / /var/lib/kubelet/staging rw,relatime - xfs /dev/loop1 rw,nouuid
`;

test('mounts are read with their device, path and mode', () => {
  assert.deepEqual(parseMountInfo(text)[2], {
    device: '7:0',
    path: '/var/lib/kubelet/pods/a b/mount',
    readOnly: true,
  });
});

test('of several mounts on one path the last one counts', () => {
  const mounts = parseMountInfo(text);
  assert.equal(mountAt(mounts, '/var/lib/kubelet/staging')?.device, '7:1');
  assert.equal(mountAt(mounts, '/var/lib/kubelet'), undefined);
});

test('device numbers read as the kernel writes them, large minors too', () => {
  assert.equal(deviceOf(1792), '7:0');
  assert.equal(deviceOf(65_024), '254:0');
  assert.equal(deviceOf((7 << 8) | 0x05 | (0x1_00 << 12)), '7:261');
});
