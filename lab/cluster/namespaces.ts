import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { exists } from '../setup/files.ts';
import { runChecked } from '../setup/run.ts';
import type { Layout } from './layout.ts';
import { runRoot, stateRoot } from './layout.ts';

/** Sparse: it takes what is written to it. */
const poolBytes = 64 * 1024 ** 3;

/** What a kubelet would set in the machine's kernel, as the values it wants to find. */
const tunables: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/**
 * Gives the lab its own /run, /var/lib and /var/log, empty but for the lab's own folders, so that every component can use
 * its usual paths and none writes into the machine's. Runs as the first thing in the lab's mount namespace; `alsoKept` are
 * folders that must stay visible wherever they are (the project, the cache).
 */
export async function prepareMounts(layout: Layout, alsoKept: readonly string[]): Promise<void> {
  const kept = [runRoot, stateRoot, ...alsoKept];
  for (const folder of ['/run', '/var/lib', '/var/log']) await coverWithTmpfs(folder, kept);
  await mkdir('/run/netns');
  await mkdir('/run/lock', { mode: 0o1777 });
  for (const [target, source] of [
    ['/var/lib/kubelet', layout.kubelet],
    ['/var/lib/containerd', layout.containerd],
    ['/var/lib/cni', layout.cni],
    ['/var/log/pods', join(layout.logs, 'pods')],
    ['/var/log/containers', join(layout.logs, 'containers')],
  ] as const) {
    await mkdir(target, { recursive: true });
    await mkdir(source, { recursive: true });
    await mount('--bind', source, target);
  }
  await hideTunables();
  // The kubelet's mounts must be seen by the containers it gives them to.
  await mount('--make-rshared', '/');
}

/** An empty tmpfs over a folder; of what it hides, only the kept folders stay visible. */
async function coverWithTmpfs(folder: string, kept: readonly string[]): Promise<void> {
  const before = '/mnt';
  await mount('--rbind', folder, before);
  await mount('-t', 'tmpfs', '-o', 'mode=0755', 'salvor-lab', folder);
  for (const keep of kept.filter((path) => path.startsWith(`${folder}/`))) {
    await mkdir(keep, { recursive: true });
    await mount('--rbind', join(before, relative(folder, keep)), keep);
  }
  await runChecked(['umount', '--lazy', before]);
}

/**
 * The kubelet sets a few values of the machine's kernel unless they are as it wants. It reads them here from files of our
 * own that say so, and the machine keeps its values.
 */
async function hideTunables(): Promise<void> {
  const folder = '/run/kernel-tunables';
  await mkdir(folder);
  for (const [name, value] of Object.entries(tunables)) {
    const file = join(folder, name.replaceAll('/', '.'));
    await writeFile(file, `${value}\n`);
    await mount('--bind', file, join('/proc/sys', name));
  }
}

/** Makes the storage driver's pool, an XFS with reflinks in a sparse file, and mounts it where only the lab sees it. */
export async function preparePool(layout: Layout): Promise<void> {
  if (!(await exists(layout.poolImage))) {
    const made = `${layout.poolImage}.new`;
    await writeFile(made, '');
    await runChecked(['truncate', `--size=${poolBytes}`, made]);
    await runChecked(['mkfs.xfs', '-q', '-f', '-m', 'reflink=1', made]);
    await runChecked(['mv', made, layout.poolImage]);
  }
  await mkdir(layout.pool, { recursive: true });
  await mount('-o', 'loop', layout.poolImage, layout.pool);
}

/** Addresses, routes and the store's own network namespace. There is no route to anything but the lab's own addresses. */
export async function prepareNetwork(layout: Layout): Promise<void> {
  await ip('link', 'set', 'lo', 'up');
  await ip('address', 'add', `${layout.nodeIp}/32`, 'dev', 'lo');
  // Only so that the node itself can open connections to services; kube-proxy then rewrites where they go.
  await ip('route', 'add', layout.serviceCidr, 'dev', 'lo', 'src', layout.nodeIp);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  await ip('netns', 'add', 'store');
  await ip('link', 'add', 'store', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'store');
  await ip('address', 'add', `${layout.storeNodeIp}/24`, 'dev', 'store');
  await ip('link', 'set', 'store', 'up');
  await ip('-n', 'store', 'link', 'set', 'lo', 'up');
  await ip('-n', 'store', 'address', 'add', `${layout.storeIp}/24`, 'dev', 'eth0');
  await ip('-n', 'store', 'link', 'set', 'eth0', 'up');
  // Back to the node for whoever reached the store through it: other labs.
  await ip('-n', 'store', 'route', 'add', '10.88.0.0/16', 'via', layout.storeNodeIp);
}

/** The cgroup above all pods of the lab, in every hierarchy of cgroup v1 or in the one of v2. */
export async function prepareCgroups(layout: Layout): Promise<void> {
  const root = '/sys/fs/cgroup';
  if (await exists(join(root, 'cgroup.controllers'))) {
    let path = root;
    for (const part of layout.cgroup.split('/').filter(Boolean)) {
      await enableControllers(path);
      path = join(path, part);
      await mkdir(path, { recursive: true });
    }
    return enableControllers(path);
  }
  for (const hierarchy of await readdir(root)) {
    if (!(await exists(join(root, hierarchy, 'tasks')))) continue;
    let path = join(root, hierarchy);
    for (const part of layout.cgroup.split('/').filter(Boolean)) {
      const parent = path;
      path = join(path, part);
      await mkdir(path, { recursive: true });
      // A new cpuset is empty, and nothing can run in an empty one.
      if (hierarchy === 'cpuset') await inherit(parent, path, ['cpuset.cpus', 'cpuset.mems']);
    }
  }
}

async function enableControllers(path: string): Promise<void> {
  const controllers = (await readFile(join(path, 'cgroup.controllers'), 'utf8')).trim().split(/\s+/).filter(Boolean);
  for (const controller of controllers)
    await appendFile(join(path, 'cgroup.subtree_control'), `+${controller}`).catch(() => {});
}

async function inherit(from: string, to: string, files: readonly string[]): Promise<void> {
  for (const file of files) await writeFile(join(to, file), await readFile(join(from, file)));
}

async function mount(...args: readonly string[]): Promise<void> {
  await runChecked(['mount', ...args]);
}

async function ip(...args: readonly string[]): Promise<void> {
  await runChecked(['ip', ...args]);
}
