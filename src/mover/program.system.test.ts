import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRepository } from '#repository/repository';
import { openDiskStore } from '#stores/disk/disk-store';
import { parseMoverMessage } from './protocol.ts';

/** The mover as a program of its own, on real file systems. Needs root. */

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, '../../bin/mover.ts');
const password = 'program test';
const MiB = 1024 * 1024;

interface World {
  readonly root: string;
  /** Unmounted after the test. */
  readonly mounts: string[];
  readonly environment: (task: object) => NodeJS.ProcessEnv;
  readonly terminationLog: string;
}

async function world(t: TestContext): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-program-'));
  const mounts: string[] = [];
  t.after(async () => {
    for (const path of mounts) execFileSync('umount', [path]);
    await rm(root, { recursive: true, force: true });
  });
  for (const name of ['repository', 'secrets']) await mkdir(join(root, name));
  await writeFile(join(root, 'secrets', 'repository-password'), `${password}\n`);
  const store = await openDiskStore(join(root, 'repository'));
  await (await createRepository(store, { password }))[Symbol.asyncDispose]();
  const terminationLog = join(root, 'termination-log');
  await writeFile(terminationLog, '');
  return {
    root,
    mounts,
    terminationLog,
    environment: (task) => ({
      PATH: process.env['PATH'],
      SALVOR_TASK: JSON.stringify({ asset: 'files', store: { location: join(root, 'repository') }, ...task }),
      SALVOR_SECRETS_DIR: join(root, 'secrets'),
      SALVOR_TERMINATION_LOG: terminationLog,
    }),
  };
}

function runProgram(
  { environment }: World,
  task: object,
): { status: number | null; last: ReturnType<typeof parseMoverMessage> } {
  const { status, stdout } = spawnSync(process.execPath, [program], { env: environment(task), encoding: 'utf8' });
  return { status, last: parseMoverMessage(stdout.trim().split('\n').at(-1) ?? '') };
}

/** A new ext4 file system, mounted for the test. */
async function ext4({ root, mounts }: World, name: string): Promise<string> {
  const image = join(root, `${name}.img`);
  const file = await open(image, 'w');
  await file.truncate(64 * MiB);
  await file.close();
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  const path = join(root, name);
  await mkdir(path);
  execFileSync('mount', ['-o', 'loop', image, path]);
  mounts.push(path);
  return path;
}

test('a volume goes from one ext4 file system to another; its empty lost+found is skipped with a reason', async (t) => {
  const place = await world(t);
  const [source, target] = [await ext4(place, 'source'), await ext4(place, 'target')];
  await mkdir(join(source, 'd'));
  await writeFile(join(source, 'd', 'file'), 'content');
  execFileSync('chown', ['999:998', source]);
  execFileSync('chmod', ['2770', source]);
  const saved = runProgram(place, { kind: 'backup', path: source });
  assert.equal(saved.status, 0);
  assert.ok(saved.last?.message_type === 'result' && saved.last.result.kind === 'backup');
  const { tree, skipped, ledger, node } = saved.last.result;
  assert.deepEqual(skipped, [{ path: 'lost+found', reason: 'empty lost+found of the file system' }]);
  assert.deepEqual(ledger, { plannedItems: 2, plannedBytes: 7, capturedItems: 2, capturedBytes: 7 });
  assert.deepEqual([node.uid, node.gid, node.mode], [999, 998, 0o2770]);
  assert.deepEqual(parseMoverMessage(await readFile(place.terminationLog, 'utf8')), saved.last);

  const restored = runProgram(place, { kind: 'restore', path: target, tree });
  assert.equal(restored.status, 0);
  assert.ok(restored.last?.message_type === 'result' && restored.last.result.kind === 'restore');
  assert.equal(restored.last.result.differencesTotal, 0);
  assert.deepEqual((await readdir(target)).sort(), ['d', 'lost+found']);

  const again = runProgram(place, { kind: 'restore', path: target, tree });
  assert.equal(again.status, 5);
  assert.ok(again.last?.message_type === 'error' && again.last.code === 'TargetExists');

  await writeFile(join(source, 'lost+found', '#123'), 'recovered');
  const full = runProgram(place, { kind: 'backup', path: source });
  assert.ok(full.last?.message_type === 'result' && full.last.result.kind === 'backup');
  assert.deepEqual(full.last.result.skipped, []);
  assert.equal(full.last.result.ledger.capturedItems, 4);
});

test('a target that runs full ends the restore with an error that says what to do', async (t) => {
  const place = await world(t);
  const source = join(place.root, 'source');
  await mkdir(source);
  await writeFile(join(source, 'large'), Buffer.alloc(90 * MiB, 'not zero'));
  const saved = runProgram(place, { kind: 'backup', path: source });
  assert.ok(saved.last?.message_type === 'result' && saved.last.result.kind === 'backup');
  const target = await ext4(place, 'target');
  const { status, last } = runProgram(place, { kind: 'restore', path: target, tree: saved.last.result.tree });
  assert.equal(status, 1);
  assert.ok(last?.message_type === 'error' && last.code === 'RestoreFailed');
  assert.match(last.message, /ENOSPC/);
  assert.match(last.hint ?? '', /free space/);
});

test('SIGTERM stops the mover: it gives its lock back, says that it was cancelled, and exits with 130', async (t) => {
  const place = await world(t);
  const source = join(place.root, 'source');
  await mkdir(source);
  // Minutes of work: many chunks of zeros that were never written.
  const huge = await open(join(source, 'huge'), 'w');
  await huge.truncate(8 * 1024 ** 4);
  await huge.close();
  const mover = spawn(process.execPath, [program], { env: place.environment({ kind: 'backup', path: source }) });
  const exited = once(mover, 'exit');
  for await (const line of createInterface({ input: mover.stdout })) {
    const message = parseMoverMessage(line);
    if (message?.message_type === 'progress' && message.phase === 'backup') mover.kill('SIGTERM');
  }
  assert.equal((await exited)[0], 130);
  const left = parseMoverMessage(await readFile(place.terminationLog, 'utf8'));
  assert.ok(left?.message_type === 'error' && left.code === 'Cancelled');
  assert.deepEqual(await readdir(join(place.root, 'repository', 'locks')), []);
});

test('without the right to read everything the mover captures what it may read, and names what it may not', () => {
  // Run by root, the unit test of unreadable files is skipped: here it runs as a root without that capability.
  const file = join(here, 'backup', 'backup-tree.test.ts');
  const caps = ['--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-dac_override,-dac_read_search'];
  const args = [...caps, process.execPath, '--test', '--test-reporter=tap', '--test-name-pattern=^an unreadable', file];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout, status } = spawnSync('setpriv', args, { env, encoding: 'utf8' });
  assert.match(stdout, /^# pass 1$/m);
  assert.equal(status, 0);
});
