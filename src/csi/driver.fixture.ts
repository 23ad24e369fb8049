/** For system tests: a pool on a loop-mounted XFS, the driver as a process, and a client for its socket. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { on, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials, makeClientConstructor } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { loadServices } from './rpc.ts';
import { parseMountInfo } from './volumes/mounts.ts';
import { runCommand } from './volumes/run-command.ts';

const root = join(import.meta.dirname, '../..');

/** Any answer of the driver, as proto-loader gives it; a test reads the few fields it is about. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every call
export type Answer = any;

export interface DriverProcess {
  readonly logLines: string[];
  readonly isRunning: () => boolean;
  /** Ends the process the hard way, in the middle of whatever it does. */
  readonly kill: () => Promise<void>;
  /** Ends it with SIGTERM; returns its exit code. */
  readonly stop: () => Promise<number | null>;
}

export interface Fixture extends AsyncDisposable {
  readonly folder: string;
  readonly pool: string;
  readonly endpoint: string;
  readonly start: () => Promise<DriverProcess>;
  readonly call: (service: string, method: string, request: object) => Promise<Answer>;
}

/** Makes the pool. Disposing kills the drivers, unmounts everything under the folder, and deletes it. */
export async function makeFixture(options: { poolGiB: number }): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-csi-'));
  const pool = join(folder, 'pool');
  const processes: ChildProcess[] = [];
  const dispose = async (): Promise<void> => {
    for (const child of processes) await end(child, 'SIGKILL');
    await unmountAll(folder);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(pool);
    await runCommand('truncate', ['-s', `${options.poolGiB}G`, join(folder, 'pool.img')]);
    await runCommand('mkfs.xfs', ['-q', '-m', 'reflink=1', join(folder, 'pool.img')]);
    await runCommand('mount', ['-o', 'loop', join(folder, 'pool.img'), pool]);
  } catch (error) {
    await dispose();
    throw error;
  }
  const endpoint = `unix://${folder}/csi.sock`;
  return {
    folder,
    pool,
    endpoint,
    start: async () => startProcess({ endpoint, pool, registry: join(folder, 'registry'), processes }),
    call: async (service, method, request) => callAt(endpoint, { service, method }, request),
    [Symbol.asyncDispose]: dispose,
  };
}

async function startProcess(options: {
  endpoint: string;
  pool: string;
  registry: string;
  processes: ChildProcess[];
}): Promise<DriverProcess> {
  const { endpoint, pool, registry } = options;
  const args = ['--endpoint', endpoint, '--node-id', 'node-1', '--pool', pool, '--registration-dir', registry];
  const child = spawn(process.execPath, [join(root, 'bin/csi.ts'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  options.processes.push(child);
  const logLines: string[] = [];
  const ready = Promise.withResolvers<void>();
  const lines = createInterface({ input: child.stderr });
  lines.on('line', (line) => {
    logLines.push(line);
    // The registration socket is the last thing to come up.
    if (line.includes('-reg.sock')) ready.resolve();
  });
  lines.on('close', () => ready.reject(new Error(`The driver ended: ${logLines.join('\n')}`)));
  await ready.promise;
  return {
    logLines,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: async () => void (await end(child, 'SIGKILL')),
    stop: async () => end(child, 'SIGTERM'),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}

/** Calls a method of a service on a socket. */
export async function callAt(
  endpoint: string,
  where: { service: string; method: string },
  request: object,
): Promise<Answer> {
  const protoFile = where.service.startsWith('csi') ? 'csi.proto' : 'pluginregistration.proto';
  const Client = makeClientConstructor(loadServices(protoFile)(where.service), where.service);
  const client = new Client(endpoint, credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  try {
    const method = client[where.method] as (
      request: object,
      done: (error: ServiceError | null, a: Answer) => void,
    ) => void;
    method.call(client, request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    return await promise;
  } finally {
    client.close();
  }
}

async function unmountAll(folder: string): Promise<void> {
  const mounts = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  for (const { path } of mounts.reverse()) {
    if (!path.startsWith(`${folder}/`)) continue;
    await runCommand('fsfreeze', ['--unfreeze', path]).catch(() => undefined);
    await runCommand('umount', [path]);
  }
}

/** A process that writes growing numbers and syncs each; see lockstep-writer.fixture.ts. */
export interface Writer extends AsyncDisposable {
  /** The last number that was synced to every folder. */
  readonly acknowledged: () => number;
  /** Resolves when that number has been reached. */
  readonly reached: (number: number) => Promise<void>;
}

export function startWriter(folders: readonly string[]): Writer {
  const script = join(import.meta.dirname, 'lockstep-writer.fixture.ts');
  const child = spawn(process.execPath, [script, ...folders], { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    last = Number(line);
  });
  return {
    acknowledged: () => last,
    reached: async (number) => {
      for await (const _ of on(lines, 'line', { close: ['close'] })) if (last >= number) return;
    },
    [Symbol.asyncDispose]: async () => void (await end(child, 'SIGKILL')),
  };
}

/** The numbers in a folder that the writer wrote to. */
export async function readNumbers(folder: string): Promise<number[]> {
  const path = join(folder, 'numbers');
  if (!existsSync(path)) return [];
  const text = await readFile(path, 'utf8');
  return text.split('\n').filter(Boolean).map(Number);
}
