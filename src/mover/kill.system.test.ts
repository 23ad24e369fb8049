import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkRepository } from '#repository/check';
import { createRepository, openRepository } from '#repository/repository';
import { openStore } from '#stores/open';
import { credentials, startGateway } from '#stores/s3/gateway.fixture';
import type { Store } from '#stores/store';
import { parseMoverMessage, type BackupResult } from './protocol.ts';

/**
 * The mover as a process, killed with SIGKILL at moments that chance chooses. What is left is sound in the eyes of our
 * own check and of restic, and the next mover goes on from there. Needs restic, and versitygw from the lab.
 */

const program = join(dirname(fileURLToPath(import.meta.url)), '../../bin/mover.ts');
const password = 'kill test';
const KiB = 1024;

/** Backups that are killed, in each kind of store. */
const roundsOnDisk = 15;
const roundsOnS3 = 10;

interface World {
  readonly source: string;
  readonly store: Store;
  /** As the mover and restic know the store. */
  readonly location: string;
  readonly repository: string;
  readonly folder: (name: string) => Promise<string>;
  /** Tells of each step of a write: something of a new object reached the disk or the network. */
  readonly watchWrites: (onStep: () => void) => Disposable;
}

async function world(
  t: TestContext,
  at: (root: string) => Pick<World, 'location' | 'repository' | 'watchWrites'>,
): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-kill-'));
  t.after(async () => rm(root, { recursive: true, force: true }));
  const folder = async (name: string): Promise<string> => {
    await mkdir(join(root, name));
    return join(root, name);
  };
  const secrets = await folder('secrets');
  await writeFile(join(secrets, 'repository-password'), password);
  await writeFile(join(secrets, 'access-key-id'), credentials.accessKeyId);
  await writeFile(join(secrets, 'secret-access-key'), credentials.secretAccessKey);
  const { location, repository, watchWrites } = at(root);
  const store = await openStore({ location, ...(location.startsWith('s3:') ? { credentials } : {}) });
  // Cheap to open: this test opens it a hundred times.
  const kdf = { N: 1024, r: 8, p: 1 };
  await (await createRepository(store, { password, kdf }))[Symbol.asyncDispose]();
  return { source: await folder('source'), store, location, repository, folder, watchWrites };
}

/** Some new files at each round; at some of them as much as fills several packs. */
async function changeSource(source: string, round: number): Promise<void> {
  for (let file = 0; file < 4; file++) await writeFile(join(source, `${file}`), randomBytes(300 * KiB));
  if (round % 20 === 0) await writeFile(join(source, 'large'), randomBytes(34 * KiB * KiB));
}

function startMover(place: World, parentTree: string | undefined): ChildProcess {
  const parent = parentTree === undefined ? {} : { parentTree };
  const task = { asset: 'files', store: { location: place.location }, kind: 'backup', path: place.source, ...parent };
  const env = {
    PATH: process.env['PATH'],
    SALVOR_TASK: JSON.stringify(task),
    SALVOR_SECRETS_DIR: join(dirname(place.source), 'secrets'),
    SALVOR_TERMINATION_LOG: join(dirname(place.source), 'termination-log'),
  };
  return spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Backs up and is killed at this step of its writes; answers whether it lived until then. */
async function backUpAndBeKilled(place: World, parentTree: string | undefined, step: number): Promise<boolean> {
  let steps = 0;
  const mover = startMover(place, parentTree);
  using _watch = place.watchWrites(() => {
    if (++steps === step) mover.kill('SIGKILL');
  });
  mover.stdout?.resume();
  await once(mover, 'exit');
  return mover.signalCode === 'SIGKILL';
}

async function backUp(place: World, parentTree: string | undefined): Promise<BackupResult> {
  const mover = startMover(place, parentTree);
  const [output] = await Promise.all([mover.stdout?.toArray() ?? [], once(mover, 'exit')]);
  const line = Buffer.concat(output).toString().trim().split('\n').at(-1) ?? '';
  const last = parseMoverMessage(line);
  assert.ok(last?.message_type === 'result' && last.result.kind === 'backup', line);
  assert.deepEqual([last.result.issuesTotal, mover.exitCode], [0, 0]);
  return last.result;
}

function restic(place: World, ...args: string[]): string {
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    RESTIC_PASSWORD: password,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  return execFileSync('restic', ['--no-cache', '-r', place.repository, ...args], { env, encoding: 'utf8' });
}

/** Answers how many packs no index lists. */
async function assertSound(place: World, readData: boolean): Promise<number> {
  const report = await checkRepository(place.store, { password, readData });
  assert.deepEqual(report.problems, []);
  return report.unreferencedPacks;
}

/** What whoever coordinates movers does when all have ended. */
async function saveSnapshot(place: World, result: BackupResult): Promise<string> {
  await using repository = await openRepository(place.store, { password });
  const who = { hostname: 'kill', username: 'root', uid: 0, gid: 0 };
  const time = new Date().toISOString();
  return await repository.saveSnapshot({ time, tree: result.tree, paths: ['/source'], tags: [], ...who });
}

/** How many steps the writes of a run have that nobody kills. */
async function stepsOfOneRun(place: World): Promise<number> {
  let steps = 0;
  using _watch = place.watchWrites(() => steps++);
  await changeSource(place.source, 1);
  await backUp(place, undefined);
  return steps;
}

async function killManyTimes(place: World, rounds: number): Promise<void> {
  let parent: string | undefined;
  let kills = 0;
  let orphans = 0;
  const stepsMax = await stepsOfOneRun(place);
  for (let round = 0; round < rounds; round++) {
    await changeSource(place.source, round);
    const step = 1 + (randomBytes(2).readUInt16LE() % stepsMax);
    if (await backUpAndBeKilled(place, parent, step)) kills++;
    orphans = await assertSound(place, false);
    if (round % 5 !== 4) continue;
    await assertSound(place, true);
    // The lock of the dead does not keep the next one out, and restic takes it for stale as well.
    const result = await backUp(place, parent);
    parent = result.tree;
    await saveSnapshot(place, result);
    assert.equal((await backUp(place, parent)).storedBytes, 0, 'what a run stored, the next one stores again');
    restic(place, 'unlock');
    assert.match(restic(place, 'check'), /no errors were found/);
  }
  assert.ok(kills >= rounds / 2, `only ${kills} of ${rounds} were killed before they ended`);
  // Else none of them was killed between its packs and its index.
  assert.ok(orphans > 0, 'no kill left a pack that no index lists');
  await collectAndCompare(place);
}

async function collectAndCompare(place: World): Promise<void> {
  restic(place, 'prune');
  assert.equal(await assertSound(place, true), 0, 'orphans are left');
  assert.match(restic(place, 'check', '--read-data'), /no errors were found/);
  const target = await place.folder('restored');
  restic(place, 'restore', 'latest', '--target', target);
  execFileSync('diff', ['-r', place.source, target]);
  assert.equal((await readdir(target)).length, 5);
}

test('a mover on a disk that is killed again and again leaves what restic checks and restores', async (t) => {
  const place = await world(t, (root) => {
    const repository = join(root, 'repository');
    const watchWrites = (onStep: () => void): Disposable => {
      const watcher = watch(join(repository, '.salvor-tmp'), onStep);
      return { [Symbol.dispose]: () => watcher.close() };
    };
    return { location: repository, repository, watchWrites };
  });
  await killManyTimes(place, roundsOnDisk);
});

test('a mover on S3 that is killed again and again leaves what restic checks and restores', async (t) => {
  const gateway = await startGateway(process.env['SALVOR_LAB_BIN']);
  const wire = await startWire(Number(new URL(gateway.endpoint).port));
  t.after(async () => {
    wire.stop();
    await gateway.stop();
  });
  const endpoint = `http://127.0.0.1:${wire.port}`;
  const place = await world(t, () => ({
    location: `s3://bucket/killed?endpoint=${endpoint}`,
    // Not over the wire: this process waits for restic, and could not serve it meanwhile.
    repository: `s3:${gateway.endpoint}/bucket/killed`,
    watchWrites: wire.watch,
  }));
  await killManyTimes(place, roundsOnS3);
});

interface Wire {
  readonly port: number;
  readonly watch: (onBytes: () => void) => Disposable;
  readonly stop: () => void;
}

/** A wire to a server on this host that tells when bytes are sent to it. */
async function startWire(serverPort: number): Promise<Wire> {
  const listeners = new Set<() => void>();
  const sockets = new Set<Socket>();
  const wire = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    client.on('data', () => {
      for (const listener of listeners) listener();
    });
  });
  wire.listen(0, '127.0.0.1');
  await once(wire, 'listening');
  return {
    port: (wire.address() as AddressInfo).port,
    watch(onBytes) {
      listeners.add(onBytes);
      return { [Symbol.dispose]: () => void listeners.delete(onBytes) };
    },
    stop() {
      wire.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
