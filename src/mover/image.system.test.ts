import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRepository, openRepository } from '#repository/repository';
import { openDiskStore } from '#stores/disk/disk-store';
import { parseMoverMessage, type BackupResult, type RestoreResult } from './protocol.ts';

/** Images through the mover as a program, judged by stock restic and by cmp. Needs root, for loop devices. */

const program = join(dirname(fileURLToPath(import.meta.url)), '../../bin/mover.ts');
const password = 'image test';
const MiB = 1024 * 1024;
const imageBytes = 48 * MiB + 512;
const { signal } = new AbortController();

interface World {
  readonly root: string;
  readonly image: string;
  readonly backup: (task?: object) => BackupResult;
  readonly restore: (task: object) => RestoreResult;
}

async function world(t: TestContext): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-images-'));
  t.after(async () => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'secrets'));
  await writeFile(join(root, 'secrets', 'repository-password'), password);
  const store = await openDiskStore(join(root, 'repository'));
  await (await createRepository(store, { password }))[Symbol.asyncDispose]();
  const image = join(root, 'disk.img');
  await using file = await open(image, 'w');
  await file.write(randomBytes(3 * MiB), 0, 3 * MiB, 0);
  await file.write(Buffer.alloc(5 * MiB, 'rows of a table '), 0, 5 * MiB, 20 * MiB);
  await file.write(Buffer.alloc(2 * MiB), 0, 2 * MiB, 30 * MiB);
  await file.truncate(imageBytes);
  const run = (task: object) => {
    const env = {
      PATH: process.env['PATH'],
      SALVOR_TASK: JSON.stringify({ asset: 'disk', store: { location: join(root, 'repository') }, ...task }),
      SALVOR_SECRETS_DIR: join(root, 'secrets'),
      SALVOR_TERMINATION_LOG: join(root, 'none'),
    };
    const { status, stdout } = spawnSync(process.execPath, [program], { env, encoding: 'utf8' });
    const last = parseMoverMessage(stdout.trim().split('\n').at(-1) ?? '');
    assert.ok(status === 0 && last?.message_type === 'result', stdout);
    assert.deepEqual(last.result.issues, []);
    return last.result;
  };
  return {
    root,
    image,
    backup: (task) => run({ kind: 'backup', source: 'image', path: image, ...task }) as BackupResult,
    restore: (task) => run({ kind: 'restore', target: 'image', ...task }) as RestoreResult,
  };
}

async function patch(image: string, text: string, offset: number): Promise<void> {
  await using file = await open(image, 'r+');
  await file.write(text, offset);
}

test('an image comes back equal and sparse, from a first backup and from one of its changed blocks', async (t) => {
  const { root, image, backup, restore } = await world(t);
  const first = backup();
  assert.deepEqual(first.ledger, {
    plannedItems: 1,
    plannedBytes: imageBytes,
    capturedItems: 1,
    capturedBytes: imageBytes,
  });
  await patch(image, 'written later', 21 * MiB);
  const changed = join(root, 'changed.json');
  await writeFile(changed, JSON.stringify([{ offset: 21 * MiB, length: 13 }]));
  const second = backup({ parentTree: first.tree, changed });
  assert.equal(second.newBytes, MiB);
  const restored = join(root, 'restored.img');
  const { differencesTotal, verifiedBytes } = restore({ tree: second.tree, path: restored });
  assert.deepEqual([differencesTotal, verifiedBytes], [0, imageBytes]);
  execFileSync('cmp', [image, restored]);
  assert.ok((await stat(restored)).blocks * 512 <= 9 * MiB, 'holes and zeros were written');
});

test('stock restic gives the image back with one command', async (t) => {
  const { root, image, backup } = await world(t);
  const { node } = backup();
  const store = await openDiskStore(join(root, 'repository'));
  await using repository = await openRepository(store, { password });
  const { id: tree } = await repository.saveTree([{ ...node, name: Buffer.from('disk') }]);
  await repository.saveSnapshot(
    { time: '2026-01-02T03:04:05Z', tree, paths: ['/'], hostname: 'h', username: 'u', uid: 0, gid: 0, tags: [] },
    signal,
  );
  const env = { ...process.env, RESTIC_PASSWORD: password };
  const restic = `restic --no-cache -q -r ${join(root, 'repository')}`;
  execFileSync('sh', ['-c', `${restic} check --read-data && ${restic} dump latest /disk/000000 | cmp - ${image}`], {
    env,
  });
});

test('an image goes onto a block device, over what was there, and one that is too small is refused', async (t) => {
  const { root, image, backup, restore } = await world(t);
  const { tree } = backup();
  const backing = join(root, 'device');
  await writeFile(backing, randomBytes(imageBytes + 3584));
  const device = execFileSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' }).trim();
  t.after(() => execFileSync('losetup', ['--detach', device]));
  assert.equal(restore({ tree, path: device }).differencesTotal, 0);
  execFileSync('cmp', ['-n', String(imageBytes), image, device]);
  await writeFile(join(root, 'small'), Buffer.alloc(MiB));
  const small = execFileSync('losetup', ['--find', '--show', join(root, 'small')], { encoding: 'utf8' }).trim();
  t.after(() => execFileSync('losetup', ['--detach', small]));
  assert.throws(() => restore({ tree, path: small }), /RestoreFailed.*has 1\.0 MiB, the image 48 MiB/);
});

test('a device is captured like an image of its bytes', async (t) => {
  const { image, backup } = await world(t);
  await using file = await open(image, 'r+');
  await file.truncate(48 * MiB);
  const device = execFileSync('losetup', ['--find', '--show', '--read-only', image], { encoding: 'utf8' }).trim();
  t.after(() => execFileSync('losetup', ['--detach', device]));
  assert.equal(backup({ path: device }).tree, backup().tree);
});
