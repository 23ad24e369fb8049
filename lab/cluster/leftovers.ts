import { readdir, readFile, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { exists } from '../setup/files.ts';
import { run } from '../setup/run.ts';
import type { Layout } from './layout.ts';

const cgroupMount = '/sys/fs/cgroup';
/** Namespaces and what hangs on them are taken down by the kernel after their last process has ended. */
const teardownTimeoutMs = 30_000;

/** What of a lab is on the machine, outside the lab: all empty after `down`, and after a kill but for the cgroups. */
export interface Leftovers {
  /** "PID COMMAND". */
  readonly processes: readonly string[];
  /** Mount points in the machine's mount namespace. */
  readonly mounts: readonly string[];
  /** "/dev/loopN BACKING-FILE". */
  readonly loopDevices: readonly string[];
  /** Network links in the machine's network namespace. */
  readonly links: readonly string[];
  /** Rules of the lab's components in the machine's packet filter. */
  readonly packetRules: readonly string[];
  readonly cgroups: readonly string[];
}

/** Looks at the machine: what belongs to this lab there? */
export async function findLeftovers(layout: Layout, signal?: AbortSignal): Promise<Leftovers> {
  const [processes, mounts, loopDevices, links, packetRules, cgroups] = await Promise.all([
    findProcesses(layout),
    findMounts(layout),
    findLoopDevices(layout, signal),
    findLinks(signal),
    findPacketRules(signal),
    findCgroups(layout),
  ]);
  return { processes, mounts, loopDevices, links, packetRules, cgroups };
}

/** Waits until the kernel has taken down what a stopped or killed lab held: processes, and the loop devices of its mounts. */
export async function waitForTeardown(layout: Layout, signal?: AbortSignal): Promise<void> {
  const held = async (): Promise<string[]> => [
    ...(await findProcesses(layout)),
    ...(await findLoopDevices(layout, signal)),
  ];
  await waitUntilNone(held, `the processes and loop devices of lab ${layout.name}`, signal);
}

/**
 * For a lab whose init is not known to run: ends what still does (an `up` that was killed may have started an init and not
 * noted it), waits for the teardown, and removes the cgroups, which are empty now.
 */
export async function removeLeftovers(layout: Layout, signal?: AbortSignal): Promise<void> {
  for (const found of await findProcesses(layout)) killIfThere(Number.parseInt(found, 10));
  await waitForTeardown(layout, signal);
  const remaining = async (): Promise<string[]> => {
    for (const path of await findCgroups(layout)) await removeFolders(path);
    return findCgroups(layout);
  };
  // A cgroup is busy for a moment after its last process has gone.
  await waitUntilNone(remaining, `the cgroups of lab ${layout.name}`, signal);
  // The folder above goes with the last lab.
  for (const path of await findCgroups({ cgroup: dirname(layout.cgroup) })) await rmdir(path).catch(() => {});
}

async function waitUntilNone(
  find: () => Promise<string[]>,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  let found: string[] = [];
  const ask = async (): Promise<true | undefined> => {
    found = await find();
    return found.length === 0 ? true : undefined;
  };
  try {
    await waitFor(ask, {
      what: `${what} to go`,
      timeoutMs: teardownTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (!(error instanceof SalvorError) || error.code !== 'Timeout') throw error;
    const hint = 'See what holds them with "ps -ef" and "losetup -l", and end it.';
    throw new SalvorError(`${error.message}: ${found.join(', ')}`, { code: 'Timeout', hint, cause: error });
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** By the mark that every component inherits, or (what runs in pods) by the cgroup. */
async function findProcesses(layout: Layout): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    const marked = (await read('environ')).split('\0').includes(`SALVOR_LAB=${layout.name}`);
    const inCgroup = (await read('cgroup')).split('\n').some((line) => `${line}/`.includes(`:${layout.cgroup}/`));
    // A dead process that its parent has not collected yet holds nothing and has no command.
    const command = (await read('cmdline')).replaceAll('\0', ' ').trim();
    if ((marked || inCgroup) && command !== '') found.push(`${pid} ${command.slice(0, 120)}`);
  }
  return found;
}

async function findMounts(layout: Layout): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const points = table.split('\n').map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => [layout.state, layout.run].some((folder) => `${point}/`.startsWith(`${folder}/`)));
}

async function findLoopDevices(layout: Layout, signal: AbortSignal | undefined): Promise<string[]> {
  const { stdout } = await run(['losetup', '--list', '--noheadings', '--raw', '--output', 'NAME,BACK-FILE'], {
    signal,
  });
  return stdout.split('\n').filter((line) => line.includes(` ${layout.state}/`));
}

/** Our links have names that nothing else uses, and none of them is ever on the machine itself. */
async function findLinks(signal: AbortSignal | undefined): Promise<string[]> {
  const { stdout } = await run(['ip', '-json', 'link'], { signal });
  const links = JSON.parse(stdout || '[]') as { ifname: string }[];
  return links.map((link) => link.ifname).filter((name) => /^(lab\d+|store)$/.test(name));
}

async function findPacketRules(signal: AbortSignal | undefined): Promise<string[]> {
  const { stdout } = await run(['iptables-save'], { signal });
  return stdout.split('\n').filter((line) => /\b10\.(88|89|244)\.\d+\.\d+/.test(line));
}

/** The lab's folder in every hierarchy of cgroup v1, or in the one of v2. */
async function findCgroups({ cgroup }: { readonly cgroup: string }): Promise<string[]> {
  const unified = await exists(join(cgroupMount, 'cgroup.controllers'));
  const hierarchies = unified ? [''] : await readdir(cgroupMount).catch(() => []);
  const paths = hierarchies.map((hierarchy) => join(cgroupMount, hierarchy, cgroup));
  const present = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => present[index]);
}

/** Cgroup folders can only be removed one by one, deepest first; their files go with them. */
async function removeFolders(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeFolders(join(path, entry.name));
  await rmdir(path).catch(() => {});
}
