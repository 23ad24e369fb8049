/**
 * The driver against a real kernel: XFS, loop devices, mounts, freezes. Needs root and Debian's xfsprogs, e2fsprogs,
 * mount, util-linux. Everything happens in mount and PID namespaces of their own, which this file enters by starting
 * itself again: what a failed test leaves mounted or running goes with them.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { callAt, makeFixture, readNumbers, startWriter } from './driver.fixture.ts';
import type { Answer, DriverProcess, Fixture } from './driver.fixture.ts';
import { runCommand } from './volumes/run-command.ts';

const inNamespaceFlag = '--in-namespace';
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const timeout = 180_000;

if (process.argv.includes(inNamespaceFlag)) describe('the storage driver', { timeout }, suite);
else test('the storage driver works, in a mount namespace of its own', { timeout: 600_000 }, inNamespace);

async function inNamespace(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-csi-test-'));
  // Without the context of this test runner, or the inner run would write its protocol instead of text.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const args = [...namespaces, process.execPath, import.meta.filename, inNamespaceFlag];
  try {
    await promisify(execFile)('unshare', args, { env: { ...env, TMPDIR: folder }, maxBuffer: 64 * MiB });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    assert.fail(`${stdout}\n${stderr}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function suite(): void {
  let fixture: Fixture;
  let driver: DriverProcess | undefined;
  let counter = 0;
  before(async () => {
    fixture = await makeFixture({ poolGiB: 30 });
  });
  beforeEach(async () => {
    if (driver?.isRunning() !== true) driver = await fixture.start();
  });
  after(async () => fixture[Symbol.asyncDispose]());

  const unique = (what: string): string => `${what}-${++counter}`;
  const capability = (fsType = '', mode = 'SINGLE_NODE_WRITER'): object => ({
    mount: { fs_type: fsType, mount_flags: [] },
    access_mode: { mode },
  });
  const controller = async (method: string, request: object): Promise<Answer> =>
    fixture.call('csi.v1.Controller', method, request);
  const group = async (method: string, request: object): Promise<Answer> =>
    fixture.call('csi.v1.GroupController', method, request);
  const node = async (method: string, request: object): Promise<Answer> => fixture.call('csi.v1.Node', method, request);

  const createVolume = async (wish: { bytes?: number; fsType?: string; source?: object; name?: string } = {}) => {
    const request = {
      name: wish.name ?? unique('volume'),
      capacity_range: { required_bytes: wish.bytes ?? 0 },
      volume_capabilities: [capability(wish.fsType)],
      volume_content_source: wish.source ?? null,
    };
    const { volume } = await controller('CreateVolume', request);
    return volume as { volume_id: string; capacity_bytes: number; content_source: object };
  };
  const stagingOf = (id: string): string => join(fixture.folder, 'staging', id);
  const stage = async (id: string, fsType = ''): Promise<string> => {
    const staging_target_path = stagingOf(id);
    await node('NodeStageVolume', { volume_id: id, staging_target_path, volume_capability: capability(fsType) });
    return staging_target_path;
  };
  const unstage = async (id: string): Promise<void> =>
    node('NodeUnstageVolume', { volume_id: id, staging_target_path: stagingOf(id) });
  const snapshot = async (id: string): Promise<Answer> =>
    (await controller('CreateSnapshot', { name: unique('snapshot'), source_volume_id: id })).snapshot;
  const restore = async (snapshotId: string, bytes = 0): Promise<string> =>
    (await createVolume({ bytes, source: { snapshot: { snapshot_id: snapshotId } } })).volume_id;
  const imageOf = (id: string): string => join(fixture.pool, 'volumes', id, 'image');
  const isFrozen = async (path: string): Promise<boolean> => {
    const outcome = await runCommand('fsfreeze', ['--freeze', path]).catch((error: Error) => error);
    if (!(outcome instanceof Error)) await runCommand('fsfreeze', ['--unfreeze', path]);
    return outcome instanceof Error && outcome.message.includes('busy');
  };

  const sanity = sanityBinary();
  test('csi-sanity passes', { skip: sanity.skip, timeout }, async () => {
    const folder = join(fixture.folder, 'sanity');
    await mkdir(folder);
    const folders = ['--csi.mountdir', join(folder, 'mount'), '--csi.stagingdir', join(folder, 'staging')];
    const args = ['--csi.endpoint', fixture.endpoint, ...folders, '--ginkgo.no-color'];
    const run = promisify(execFile)(sanity.path, args, { maxBuffer: 64 * MiB });
    const { stdout } = await run.catch((error: { stdout: string }) => assert.fail(error.stdout));
    const passed = Number(/(\d+) Passed \| 0 Failed/.exec(stdout)?.[1]);
    assert.ok(passed >= 77, `only ${passed} checks ran`);
    assert.deepEqual(await readdir(join(fixture.pool, 'volumes')), []);
    assert.deepEqual(await readdir(join(fixture.pool, 'snapshots')), []);
  });

  test('the kubelet is told the name and the socket of the driver', async () => {
    const endpoint = `unix://${fixture.folder}/registry/csi.salvor.dev-reg.sock`;
    const info = await callAt(endpoint, { service: 'pluginregistration.Registration', method: 'GetInfo' }, {});
    assert.deepEqual(info, {
      type: 'CSIPlugin',
      name: 'csi.salvor.dev',
      endpoint: `${fixture.folder}/csi.sock`,
      supported_versions: ['1.0.0'],
    });
  });

  for (const fsType of ['ext4', 'xfs']) {
    test(`a snapshot of a ${fsType} volume that is being written is clean and misses nothing`, async () => {
      const { volume_id: id } = await createVolume({ bytes: 400 * MiB, fsType });
      await using writer = startWriter([await stage(id, fsType)]);
      await writer.reached(50);
      const acknowledged = writer.acknowledged();
      const taken = await snapshot(id);
      assert.equal(taken.ready_to_use, true);
      assert.equal(taken.size_bytes, 400 * MiB);
      await writer.reached(writer.acknowledged() + 10);
      const written = writer.acknowledged();

      const image = join(fixture.pool, 'snapshots', taken.snapshot_id, 'image');
      if (fsType === 'ext4') {
        const { stdout } = await runCommand('e2fsck', ['-f', '-n', image]);
        assert.doesNotMatch(stdout, /recover/i, 'the journal was not empty');
      }
      const copy = await restore(taken.snapshot_id);
      const numbers = await readNumbers(await stage(copy));
      assert.deepEqual(numbers, upTo(numbers.length), 'the file has a hole');
      assert.ok(numbers.length >= acknowledged, `${numbers.length} of ${acknowledged} synced numbers`);
      assert.ok(numbers.length < written, 'the snapshot has what was written after it');
      await unstage(copy);
    });
  }

  test('a group snapshot shows all its volumes at one moment, every time', async (t) => {
    const a = (await createVolume({ bytes: 64 * MiB })).volume_id;
    const b = (await createVolume({ bytes: 64 * MiB })).volume_id;
    const c = (await createVolume({ bytes: 64 * MiB })).volume_id;
    // Written a, then b, then c: in no moment is a later one ahead of an earlier one, or more than one behind.
    await using writer = startWriter([await stage(a), await stage(b), await stage(c)]);
    for (let round = 0; round < 12; round++) {
      await writer.reached(writer.acknowledged() + 5);
      const acknowledged = writer.acknowledged();
      const name = unique('group');
      const { group_snapshot: taken } = await group('CreateVolumeGroupSnapshot', {
        name,
        // In this order a cut that is not one moment would show c ahead of a.
        source_volume_ids: round % 2 === 0 ? [a, b, c] : [c, b, a],
      });
      const counts = new Map<string, number>();
      for (const member of taken.snapshots) {
        assert.equal(member.group_snapshot_id, taken.group_snapshot_id);
        const copy = await restore(member.snapshot_id);
        counts.set(member.source_volume_id, (await readNumbers(await stage(copy))).length);
        await unstage(copy);
        await controller('DeleteVolume', { volume_id: copy });
      }
      const [inA, inB, inC] = [counts.get(a)!, counts.get(b)!, counts.get(c)!];
      assert.ok(inA >= inB && inB >= inC && inA - inC <= 1, `a ${inA}, b ${inB}, c ${inC}: not one moment`);
      assert.ok(inC >= acknowledged, `${inC} of ${acknowledged} synced numbers`);
      const snapshot_ids = taken.snapshots.map((member: Answer) => member.snapshot_id);
      const ids = { group_snapshot_id: taken.group_snapshot_id, snapshot_ids };
      await assert.rejects(controller('DeleteSnapshot', { snapshot_id: snapshot_ids[0] }), {
        code: status.INVALID_ARGUMENT,
      });
      await group('DeleteVolumeGroupSnapshot', ids);
      await group('DeleteVolumeGroupSnapshot', ids);
      await assert.rejects(group('GetVolumeGroupSnapshot', ids), { code: status.NOT_FOUND });
    }
    assert.deepEqual(await readdir(join(fixture.pool, 'groups')), []);
    const holds = driver?.logLines.map((line) => JSON.parse(line)).filter(({ frozen }) => frozen === 3) ?? [];
    t.diagnostic(`three volumes written to were held for ${holds.map(({ frozenMs }) => frozenMs).join(', ')} ms`);
  });

  test('a group snapshot is the same group when asked for again, and refused with other volumes', async () => {
    const a = (await createVolume({ bytes: 16 * MiB })).volume_id;
    const b = (await createVolume({ bytes: 16 * MiB })).volume_id;
    const name = unique('group');
    const first = await group('CreateVolumeGroupSnapshot', { name, source_volume_ids: [a, b] });
    assert.deepEqual(await group('CreateVolumeGroupSnapshot', { name, source_volume_ids: [b, a] }), first);
    const { code } = await group('CreateVolumeGroupSnapshot', { name, source_volume_ids: [a] }).catch((e) => e);
    assert.equal(code, status.ALREADY_EXISTS);
    const missing = { name: unique('group'), source_volume_ids: [a, `vol-${'0'.repeat(32)}`] };
    await assert.rejects(group('CreateVolumeGroupSnapshot', missing), { code: status.NOT_FOUND });
    const [member] = first.group_snapshot.snapshots;
    const listed = await controller('ListSnapshots', { snapshot_id: member.snapshot_id });
    assert.equal(listed.entries[0].snapshot.group_snapshot_id, first.group_snapshot.group_snapshot_id);
    assert.deepEqual((await controller('GetSnapshot', { snapshot_id: member.snapshot_id })).snapshot, member);
  });

  test('a clone of a mounted volume has its data and a life of its own', async () => {
    for (const fsType of ['ext4', 'xfs']) {
      const { volume_id: id } = await createVolume({ bytes: 300 * MiB, fsType });
      const staged = await stage(id);
      await writeFile(join(staged, 'file'), 'before');
      const clone = await createVolume({ source: { volume: { volume_id: id } } });
      await appendFile(join(staged, 'file'), ' and after');
      // Both are mounted at once: for XFS two filesystems with one UUID.
      const stagedClone = await stage(clone.volume_id);
      assert.equal(await readFile(join(stagedClone, 'file'), 'utf8'), 'before');
      await writeFile(join(stagedClone, 'own'), 'x');
      assert.ok(!existsSync(join(staged, 'own')));
      await unstage(clone.volume_id);
      await unstage(id);
    }
  });

  test('a restored volume can be larger than its snapshot, and never smaller', async () => {
    for (const fsType of ['ext4', 'xfs']) {
      const { volume_id: id } = await createVolume({ bytes: 320 * MiB, fsType });
      await writeFile(join(await stage(id), 'file'), 'content');
      const { snapshot_id } = await snapshot(id);
      await unstage(id);
      const larger = await restore(snapshot_id, 2 * GiB);
      const staged = await stage(larger);
      assert.equal(await readFile(join(staged, 'file'), 'utf8'), 'content');
      assert.ok((await bytesOf(staged)) > 1.8 * GiB, `${fsType} has ${await bytesOf(staged)} bytes`);
      await unstage(larger);
      await assert.rejects(restore(snapshot_id, 310 * MiB), { code: status.OUT_OF_RANGE });
    }
  });

  test('a mounted xfs volume grows at once', async () => {
    const { volume_id } = await createVolume({ bytes: 300 * MiB, fsType: 'xfs' });
    const staged = await stage(volume_id);
    const capacity_range = { required_bytes: GiB };
    await assert.rejects(node('NodeExpandVolume', { volume_id, volume_path: staged, capacity_range }), {
      code: status.OUT_OF_RANGE,
    });
    const expanded = await controller('ControllerExpandVolume', { volume_id, capacity_range });
    assert.deepEqual(expanded, { capacity_bytes: GiB, node_expansion_required: true });
    await node('NodeExpandVolume', { volume_id, volume_path: staged, capacity_range });
    assert.ok((await bytesOf(staged)) > 0.8 * GiB);
    await unstage(volume_id);
  });

  test('an ext4 volume grows at once where the kernel lets the driver, else when it is staged again', async () => {
    const { volume_id } = await createVolume({ bytes: 64 * MiB });
    const staged = await stage(volume_id);
    await writeFile(join(staged, 'file'), 'content');
    await controller('ControllerExpandVolume', { volume_id, capacity_range: { required_bytes: GiB } });
    const online = await node('NodeExpandVolume', { volume_id, volume_path: staged }).catch((error) => error);
    if (online instanceof Error) {
      assert.match(online.message, /CAP_SYS_RESOURCE/);
      assert.equal((online as Answer).code, status.FAILED_PRECONDITION);
      await unstage(volume_id);
      await stage(volume_id);
    }
    assert.ok((await bytesOf(staged)) > 0.8 * GiB);
    assert.equal(await readFile(join(staged, 'file'), 'utf8'), 'content');
    await unstage(volume_id);
  });

  test('a volume is published writable and read-only, and leaves nothing behind', async () => {
    const { volume_id } = await createVolume();
    const staged = { volume_id, staging_target_path: await stage(volume_id) };
    const publish = async (target_path: string, readonly: boolean) =>
      node('NodePublishVolume', { ...staged, target_path, readonly, volume_capability: capability() });
    const [writable, readOnly] = [join(fixture.folder, 'pods/a/mount'), join(fixture.folder, 'pods/b/mount')];
    await publish(writable, false);
    await publish(readOnly, true);
    await publish(readOnly, true);
    await writeFile(join(writable, 'file'), 'content');
    assert.equal(await readFile(join(readOnly, 'file'), 'utf8'), 'content');
    await assert.rejects(writeFile(join(readOnly, 'file'), 'other'), { code: 'EROFS' });
    await assert.rejects(publish(readOnly, false), { code: status.ALREADY_EXISTS });
    const { usage } = await node('NodeGetVolumeStats', { volume_id, volume_path: writable });
    assert.ok(usage[0].total > 0.9 * GiB && usage[0].unit === 'BYTES' && usage[1].unit === 'INODES');

    await assert.rejects(controller('DeleteVolume', { volume_id }), { code: status.FAILED_PRECONDITION });
    for (const target_path of [writable, readOnly, readOnly]) {
      await node('NodeUnpublishVolume', { volume_id, target_path });
      assert.ok(!existsSync(target_path));
    }
    await unstage(volume_id);
    await unstage(volume_id);
    await controller('DeleteVolume', { volume_id });
    await controller('DeleteVolume', { volume_id });
    assert.ok(!existsSync(imageOf(volume_id)));
  });

  test('unpublishing never deletes files: a folder with something in it stays', async () => {
    const target_path = join(fixture.folder, 'not-a-mount');
    await mkdir(target_path);
    await writeFile(join(target_path, 'precious'), '');
    await assert.rejects(node('NodeUnpublishVolume', { volume_id: 'x', target_path }), { code: status.INTERNAL });
    assert.ok(existsSync(join(target_path, 'precious')));
  });

  test('hostile ids and names touch nothing outside of the pool', async () => {
    const precious = join(fixture.pool, 'precious');
    await mkdir(precious);
    for (const id of ['../precious', precious, '.', '..', 'vol-../precious', `vol-${'a'.repeat(32)}/../../precious`]) {
      await controller('DeleteVolume', { volume_id: id });
      await controller('DeleteSnapshot', { snapshot_id: id });
      await group('DeleteVolumeGroupSnapshot', { group_snapshot_id: id, snapshot_ids: [id] });
      await assert.rejects(stage(id), (error: Answer) =>
        [status.NOT_FOUND, status.INVALID_ARGUMENT].includes(error.code),
      );
      const { volume_id } = await createVolume({ name: id });
      assert.match(volume_id, /^vol-[0-9a-f]{32}$/);
      await controller('DeleteVolume', { volume_id });
    }
    assert.ok(existsSync(precious));
  });

  test('a volume larger than what is free is refused as full, one larger than the pool as out of range', async () => {
    await assert.rejects(createVolume({ bytes: 29.9 * GiB }), { code: status.RESOURCE_EXHAUSTED });
    await assert.rejects(createVolume({ bytes: 100 * GiB }), { code: status.OUT_OF_RANGE });
    const { available_capacity: available } = await controller('GetCapacity', {});
    assert.ok(available > 20 * GiB && available < 30 * GiB);
    const elsewhere = { accessible_topology: { segments: { 'csi.salvor.dev/node': 'node-2' } } };
    assert.equal((await controller('GetCapacity', elsewhere)).available_capacity, 0);
  });

  test('a volume that somebody else has frozen is not snapshotted, and is not thawed for them', async () => {
    const { volume_id } = await createVolume();
    const staged = await stage(volume_id);
    await runCommand('fsfreeze', ['--freeze', staged]);
    const before_ = await readdir(join(fixture.pool, 'snapshots'));
    await assert.rejects(snapshot(volume_id), { code: status.ABORTED });
    assert.ok(await isFrozen(staged));
    assert.deepEqual(await readdir(join(fixture.pool, 'snapshots')), before_);
    assert.deepEqual(await readdir(join(fixture.pool, 'temporary')), []);
    await runCommand('fsfreeze', ['--unfreeze', staged]);
    await snapshot(volume_id);
    assert.ok(!(await isFrozen(staged)));
    await unstage(volume_id);
  });

  test('an image that a tool of a killed driver still works on is not touched', async () => {
    const { volume_id } = await createVolume();
    const holder = spawn('flock', [imageOf(volume_id), 'sh', '-c', 'echo locked; read _'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await assert.rejects(stage(volume_id), { code: status.ABORTED });
    const exited = once(holder, 'exit');
    holder.stdin.end();
    await exited;
    await stage(volume_id);
    await unstage(volume_id);
  });

  test('two drivers do not share a pool', async () => {
    await assert.rejects(fixture.start(), /Another storage driver uses the pool/);
    assert.equal((await fixture.call('csi.v1.Identity', 'Probe', {})).ready.value, true);
  });

  test('a driver killed between freeze and thaw thaws when it starts again', async () => {
    const { volume_id } = await createVolume();
    const staged = await stage(volume_id);
    await driver?.kill();
    await killWhileHolding(imageOf(volume_id));
    assert.ok(await isFrozen(staged), 'the killed process left the volume frozen');
    driver = await fixture.start();
    assert.ok(!(await isFrozen(staged)));
    assert.ok(driver.logLines.some((line) => line.includes('thawed what a killed driver left frozen')));
    await writeFile(join(staged, 'file'), 'writes go on');
    await unstage(volume_id);
  });

  test('a driver killed while it makes a volume leaves nothing half-made', async () => {
    for (let round = 0; round < 5; round++) {
      const name = unique('volume');
      const making = new AbortController();
      const seen = once(watch(join(fixture.pool, 'temporary'), { signal: making.signal }), 'change');
      const first = createVolume({ name, bytes: 400 * MiB, fsType: 'xfs' }).catch((error) => error);
      await seen;
      making.abort();
      await driver?.kill();
      await first;
      driver = await fixture.start();
      assert.deepEqual(await readdir(join(fixture.pool, 'temporary')), []);
      const { volume_id } = await createVolume({ name, bytes: 400 * MiB, fsType: 'xfs' });
      await stage(volume_id);
      await unstage(volume_id);
      await controller('DeleteVolume', { volume_id });
    }
  });

  test('SIGTERM ends the driver, and what is mounted stays mounted and known', async () => {
    const { volume_id } = await createVolume();
    const staged = await stage(volume_id);
    assert.equal(await driver?.stop(), 0);
    await writeFile(join(staged, 'file'), 'pods go on');
    driver = await fixture.start();
    await stage(volume_id);
    await snapshot(volume_id);
    await unstage(volume_id);
  });
}

/** Holds the volume with the driver's own code in another process, and kills that in the middle. */
async function killWhileHolding(image: string): Promise<void> {
  const module = (name: string): string => JSON.stringify(join(import.meta.dirname, 'volumes', name));
  const script = `
    import { whileFrozen, withFreezable } from ${module('freeze.ts')};
    import { loopDevicesOf } from ${module('mounts.ts')};
    const options = { deadlineMs: 600_000, clock: Date, log: () => {} };
    await withFreezable(await loopDevicesOf([${JSON.stringify(image)}]), (filesystems) =>
      whileFrozen(filesystems, async () => { process.stdout.write('held'); await new Promise(() => {}); }, options));`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const held = await Promise.race([once(child.stdout, 'data').then(() => true), exited.then(() => false)]);
  assert.ok(held, 'the process could not hold the volume');
  child.kill('SIGKILL');
  await exited;
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

async function bytesOf(path: string): Promise<number> {
  const { blocks, bsize } = await statfs(path);
  return blocks * bsize;
}

/** csi-sanity is built with the lab's binaries from Go modules. */
function sanityBinary(): { path: string; skip: string | false } {
  const folder = process.env['SALVOR_LAB_BIN'] ?? '';
  const path = join(folder, 'csi-sanity');
  return { path, skip: folder !== '' && existsSync(path) ? false : 'SALVOR_LAB_BIN names no folder with csi-sanity' };
}
