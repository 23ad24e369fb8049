import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { bringUp, type Prepared } from './cluster/bring-up.ts';
import type { LabStatus } from './cluster/control.ts';
import { layoutOf, stateRoot } from './cluster/layout.ts';
import { findLeftovers, waitForTeardown, type Leftovers } from './cluster/leftovers.ts';
import { checkLabName, findPlace } from './cluster/registry.ts';
import { askLab, findLayout, findRunning, type LabContext } from './cluster/running.ts';
import type { ComponentStatus } from './cluster/supervisor.ts';
import { tearDown } from './cluster/tear-down.ts';
import { ensureBinaries, locateBinaries } from './setup/binaries.ts';
import { ensureDebianPackages } from './setup/debian.ts';
import { ensureImages, imageNames, writePauseImage } from './setup/images.ts';
import { cacheDirectory } from './setup/inputs.mjs';
import { checkPrerequisites } from './setup/preflight.mjs';
import { silent, type OnProgress } from './setup/progress.ts';
import { run, type RunOptions, type RunResult } from './setup/run.ts';

/** The bucket that every lab's store has. */
export const bucketName = 'backups';

type Environment = Readonly<Record<string, string | undefined>>;

export interface LabOptions {
  readonly name: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** Where PATH, HOME and XDG_CACHE_HOME are read; by default this process's environment. */
  readonly environment?: Environment;
}

export interface LabStore {
  /** For SALVOR_STORE: the address as pods use it. */
  readonly url: string;
  /** For SALVOR_STORE_ENDPOINT: how this machine reaches the same store. */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface LabReport {
  readonly name: string;
  readonly ready: boolean;
  /** Why there is nothing to report on: the lab does not run. */
  readonly reason?: string;
  readonly components: readonly ComponentStatus[];
}

/** A real Kubernetes on this machine. One object stands for one lab, running or not. */
export interface Lab {
  readonly name: string;
  /** For use on this machine; exists after `up`. */
  readonly kubeconfigPath: string;
  /** For use inside the lab's namespaces, where the machine's loopback ports are not. */
  readonly insideKubeconfigPath: string;
  /** Starts the lab, or repairs it, and returns when all of it is ready. A ready lab is left alone. */
  up(): Promise<void>;
  /** Stops the lab; with purge also forgets its state. */
  down(options?: { readonly purge?: boolean }): Promise<void>;
  status(): Promise<LabReport>;
  /** Environment variables for clients on this machine; contains the store's keys. */
  env(): Promise<Record<string, string>>;
  store(): Promise<LabStore>;
  /** Runs kubectl against the lab, whatever its exit code. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs a command inside the lab's namespaces. */
  exec(argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
  /** The command line that enters the lab's namespaces: prefix of `exec`, and of an interactive shell. */
  enter(): Promise<readonly [string, ...string[]]>;
  /** Kills process 1 of the lab as a machine loses power, and returns when the kernel has ended everything in it. */
  killInit(): Promise<void>;
  /** Ends one component (by default by SIGKILL) and keeps it down. */
  stopComponent(name: string, signal?: NodeJS.Signals): Promise<void>;
  startComponent(name: string): Promise<void>;
  /** Where a component's log is. */
  logPath(component: string): string;
  /** What of the lab is on the machine, outside the lab's namespaces. */
  leftovers(): Promise<Leftovers>;
}

/** Installs, builds and makes everything labs need, without starting one. The second call finds it all in the cache. */
export async function prepareLab(options: Omit<LabOptions, 'name'>): Promise<Prepared> {
  const { signal, onProgress = silent } = options;
  const environment = options.environment ?? process.env;
  const cache = cacheDirectory(environment);
  await refuseWithoutPrerequisites(environment, onProgress);
  await ensureDebianPackages({ onProgress, signal });
  // Compiling wants the processor and root file systems want the network: together they take the time of one.
  const [binaries, set] = await Promise.all([
    ensureBinaries({ cache, onProgress, signal }),
    ensureImages({ cache, onProgress, signal }),
  ]);
  return { binaries, images: { ...set, images: [await writePauseImage(cache, set.store), ...set.images] } };
}

/** Everything that is missing is told at once, before anything is changed. */
async function refuseWithoutPrerequisites(environment: Environment, onProgress: OnProgress): Promise<void> {
  const { failures, warnings } = await checkPrerequisites({ need: 'lab', environment });
  for (const what of warnings) onProgress({ kind: 'note', what });
  if (failures.length === 0) return;
  throw new SalvorError(failures.map((failure) => failure.problem).join(' '), {
    code: 'Prerequisite',
    hint: failures.map((failure) => failure.remedy).join('\n  '),
  });
}

/** The lab of this name; makes and starts nothing. */
export async function openLab(options: LabOptions): Promise<Lab> {
  checkLabName(options.name);
  const { name, signal, onProgress = silent } = options;
  const environment = options.environment ?? process.env;
  const cache = cacheDirectory(environment);
  const context: LabContext = { name, cache, onProgress, signal };
  const state = join(stateRoot, name);

  async function status(): Promise<LabReport> {
    try {
      const { layout } = await findRunning(name);
      const { components } = await askLab<LabStatus>(layout, { op: 'status' }, { signal });
      return { name, ready: components.every((component) => component.ready), components };
    } catch (error) {
      if (error instanceof SalvorError) return { name, ready: false, reason: error.message, components: [] };
      throw error;
    }
  }

  async function store(): Promise<LabStore> {
    const layout = await findLayout(name);
    const keys = JSON.parse(await readFile(layout.credentials, 'utf8')) as Pick<
      LabStore,
      'accessKeyId' | 'secretAccessKey'
    >;
    const inside = `http://${layout.storeIp}:${layout.storeContainerPort}`;
    const url = `s3://${bucketName}/lab?endpoint=${inside}&region=us-east-1`;
    return { url, endpoint: `http://127.0.0.1:${layout.storePort}`, ...keys };
  }

  async function env(): Promise<Record<string, string>> {
    const layout = await findLayout(name);
    const { url, endpoint, accessKeyId, secretAccessKey } = await store();
    return {
      KUBECONFIG: layout.hostKubeconfig,
      KUBECACHEDIR: join(layout.state, 'kubectl-cache'),
      SALVOR_STORE: url,
      SALVOR_STORE_ENDPOINT: endpoint,
      SALVOR_KEY_FILE: layout.repositoryKey,
      SALVOR_MOVER_IMAGE: imageNames.salvor,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: 'us-east-1',
      CONTAINERD_ADDRESS: layout.containerdSocket,
      CONTAINERD_NAMESPACE: 'k8s.io',
      PATH: [...locateBinaries(cache).directories, environment['PATH'] ?? ''].join(':'),
    };
  }

  async function enter(): Promise<readonly [string, ...string[]]> {
    return ['nsenter', `--target=${(await findRunning(name)).initPid}`, '--mount', '--net', '--pid'];
  }

  async function kubectl(args: readonly string[], given: RunOptions = {}): Promise<RunResult> {
    const command = [
      locateBinaries(cache).path('kubectl'),
      `--kubeconfig=${join(state, 'kubeconfig')}`,
      ...args,
    ] as const;
    return run(command, { signal, env: { ...environment, KUBECACHEDIR: join(state, 'kubectl-cache') }, ...given });
  }

  async function killInit(): Promise<void> {
    const { layout, initPid } = await findRunning(name);
    process.kill(initPid, 'SIGKILL');
    await waitForTeardown(layout, signal);
  }

  async function leftovers(): Promise<Leftovers> {
    // A lab that was purged has no place any more, but could still have left something under its name.
    const place = (await findPlace(name)) ?? { name, index: 0, apiPort: 0, storePort: 0 };
    return findLeftovers(layoutOf(place), signal);
  }

  return {
    name,
    kubeconfigPath: join(state, 'kubeconfig'),
    insideKubeconfigPath: join(state, 'config', 'admin.kubeconfig'),
    up: async () => bringUp(context, await prepareLab({ ...options, environment }), bucketName),
    down: async ({ purge = false } = {}) => tearDown(context, { purge }),
    status,
    env,
    store,
    kubectl,
    exec: async (argv, given = {}) => run([...(await enter()), ...argv], { signal, ...given }),
    enter,
    killInit,
    stopComponent: async (component, how = 'SIGKILL') =>
      askLab((await findRunning(name)).layout, { op: 'stop', name: component, signal: how }, { signal }),
    startComponent: async (component) =>
      askLab((await findRunning(name)).layout, { op: 'start', name: component }, { signal }),
    logPath: (component) => join(state, 'logs', `${component}.log`),
    leftovers,
  };
}
