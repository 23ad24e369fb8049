import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Binaries } from '../setup/binaries.ts';
import { exists, readJson, writeFileAtomic } from '../setup/files.ts';
import { projectDir } from '../setup/inputs.mjs';
import { ensureCertificates } from './certificates.ts';
import { hostNetworkDescriptor } from './component.ts';
import { componentsOf } from './components.ts';
import { configFiles } from './configs.ts';
import type { InitConfig } from './init.ts';
import { writeKubeconfigs } from './kubeconfig.ts';
import { stateRoot, type Layout, type Place } from './layout.ts';
import { clusterObjects } from './objects.ts';

/** Making namespaces and mounts takes a fraction of a second; mkfs of the pool one or two. */
const initTimeoutMs = 30_000;

export interface StartInputs {
  readonly layout: Layout;
  readonly cache: string;
  readonly binaries: Binaries;
  readonly nodeBinary: string;
  readonly signal?: AbortSignal | undefined;
}

/** The process that is number 1 in the lab's namespaces, as seen from the machine; undefined if the lab does not run. */
export async function findInit(layout: Layout): Promise<number | undefined> {
  const known = await readJson<{ pid: number; started: string }>(layout.pidFile);
  if (known === undefined) return undefined;
  return (await processOf(known.pid))?.started === known.started ? known.pid : undefined;
}

/** Writes everything the lab reads at its start: keys, configurations, objects. */
export async function prepareState(inputs: StartInputs): Promise<void> {
  const { layout, signal } = inputs;
  await mkdir(stateRoot, { recursive: true, mode: 0o711 });
  await mkdir(layout.state, { recursive: true, mode: 0o700 });
  for (const folder of [layout.config, layout.logs, layout.storeData, layout.storeVersions])
    await mkdir(folder, { recursive: true });
  await mkdir(layout.etcd, { recursive: true, mode: 0o700 });
  await ensureCredentials(layout);
  await ensureCertificates(layout, signal);
  await writeKubeconfigs(layout);
  const files = { ...configFiles(layout), 'objects.json': JSON.stringify(clusterObjects(layout), null, 2) };
  for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(layout.config, name), content);
  const fingerprint = fingerprintOf(inputs);
  const { name, index, apiPort, storePort } = layout;
  const place: Place = { name, index, apiPort, storePort };
  const config: InitConfig = { place, cache: inputs.cache, nodeBinary: inputs.nodeBinary, projectDir, fingerprint };
  await writeFileAtomic(join(layout.config, 'init.json'), JSON.stringify(config, null, 2));
}

/** What a running lab would have to be restarted for: its commands, configuration files and objects. */
export function fingerprintOf({ layout, binaries, nodeBinary }: StartInputs): string {
  const credentials = { accessKeyId: '', secretAccessKey: '' };
  const components = componentsOf({ layout, binaries, nodeBinary, projectDir, credentials });
  const all = [components, configFiles(layout), clusterObjects(layout)];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}

/** Starts the lab's init in namespaces of its own and returns its process id. It lives on when this process ends. */
export async function startInit({ layout, binaries, nodeBinary, signal }: StartInputs): Promise<number> {
  await rm(layout.run, { recursive: true, force: true });
  await mkdir(layout.run, { recursive: true, mode: 0o700 });
  const log = openSync(join(layout.logs, 'init.log'), 'a', 0o640);
  const hostNetwork = openSync('/proc/self/ns/net', 'r');
  const stdio = ['ignore', log, log] as (number | 'ignore')[];
  stdio[hostNetworkDescriptor] = hostNetwork;
  const program = [nodeBinary, join(import.meta.dirname, 'init.ts'), join(layout.config, 'init.json')];
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child=SIGKILL',
      '--mount-proc',
      binaries.path('lab-init'),
      'init',
      '--',
      ...program,
    ],
    { stdio, detached: true, cwd: '/', env: { PATH: process.env['PATH'], HOME: '/root', SALVOR_LAB: layout.name } },
  );
  child.unref();
  closeSync(log);
  closeSync(hostNetwork);
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  const failure = async (): Promise<SalvorError> =>
    new SalvorError(`The lab's init ended at once: ${await lastLines(join(layout.logs, 'init.log'))}`, {
      code: 'ClusterUnreachable',
      hint: `Its log is ${join(layout.logs, 'init.log')}.`,
    });
  const pid = await waitFor(
    async () => {
      if (ended) throw await failure();
      return childOf(child.pid ?? 0);
    },
    { what: "the lab's init", timeoutMs: initTimeoutMs, intervalMs: 20, ...(signal === undefined ? {} : { signal }) },
  );
  await writeFileAtomic(layout.pidFile, JSON.stringify({ pid, started: (await processOf(pid))?.started }));
  await waitFor(
    async () => {
      if (ended) throw await failure();
      return (await exists(layout.control)) ? true : undefined;
    },
    {
      what: "the lab's mounts and network",
      timeoutMs: initTimeoutMs,
      intervalMs: 20,
      ...(signal === undefined ? {} : { signal }),
    },
  );
  return pid;
}

/** The keys of the store's root account, made once. */
async function ensureCredentials(layout: Layout): Promise<void> {
  if (await exists(layout.credentials)) return;
  const credentials = {
    accessKeyId: `LAB${randomBytes(9).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  await writeFileAtomic(layout.repositoryKey, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  await writeFileAtomic(layout.credentials, JSON.stringify(credentials), 0o600);
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' | ');
}

/** Start time and parent of a process; undefined if there is none. A number is reused, a number and a start time are not. */
async function processOf(pid: number): Promise<{ started: string; parent: number; state: string } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'Z') return undefined;
  return { state: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '' };
}

async function childOf(parent: number): Promise<number | undefined> {
  for (const entry of await readdir('/proc')) {
    if (/^\d+$/.test(entry) && (await processOf(Number(entry)))?.parent === parent) return Number(entry);
  }
  return undefined;
}
