import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { CheckReport } from '../workloads/shop/checker/checker.ts';
import { shopEndpoints, shopSecrets } from '../workloads/shop/endpoints.ts';
import type { ShopEndpoints } from '../workloads/shop/endpoints.ts';
import type { LoadSummary } from '../workloads/shop/load/load.ts';
import type { Lab } from '../lab.ts';

/**
 * The application "shop" on a lab: deploy it, put load on it, check its invariants, destroy it. The load and the
 * checker run inside the lab's network, as clients of the application would.
 */

const folder = fileURLToPath(new URL('../workloads/shop/', import.meta.url));
const namespace = 'shop';
/** Databases initialise, the replica copies its primary, services wait for both. */
const readyTimeoutMs = 240_000;
const goneTimeoutMs = 180_000;
const settleSeconds = 90;

export interface Shop {
  /** Applies the manifests and waits until every workload is ready. */
  deploy(): Promise<void>;
  ready(): Promise<void>;
  /** Starts the load; it goes on until `stop`. */
  load(options: LoadOptions): Promise<RunningLoad>;
  /** Asks the checker. What was acknowledged before `before` must be there. */
  check(before: string): Promise<CheckReport>;
  /** Deletes the namespace, its volumes and what the load generator cannot bring back; returns when all is gone. */
  destroy(): Promise<{ readonly volumes: number }>;
}

export interface LoadOptions {
  readonly ratePerSecond: number;
  readonly seed: string;
}

/** Ends when disposed, at the latest. */
export interface RunningLoad extends AsyncDisposable {
  /** Acknowledged operations so far. */
  acknowledged(): Promise<number>;
  stop(): Promise<LoadSummary>;
}

/** `work` is a folder of the caller's for the journal and for what the load and checker are told. */
export function openShop(lab: Lab, work: string, signal: AbortSignal): Shop {
  const journal = join(work, 'journal.jsonl');
  const endpointsFile = join(work, 'endpoints.json');
  const secretsFile = join(work, 'secrets.json');

  const kubectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.kubectl(args, { signal });
    if (code !== 0)
      throw new SalvorError(`kubectl ${args.join(' ')} failed: ${stderr.trim()}`, { code: 'ClusterRefused' });
    return stdout;
  };

  /** Addresses change with every deployment: they are asked each time. */
  async function endpoints(): Promise<ShopEndpoints> {
    interface Service {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly port: number }[] };
    }
    const { items } = JSON.parse(await kubectl('-n', namespace, 'get', 'services', '-o', 'json')) as {
      items: Service[];
    };
    return shopEndpoints((name) => {
      const service = items.find((item) => item.metadata.name === name);
      const port = service?.spec.ports[0]?.port;
      if (service === undefined || port === undefined)
        throw new SalvorError(`The shop has no service ${name}`, { code: 'NotFound' });
      return { ip: service.spec.clusterIP, port };
    });
  }

  async function writeInputs(): Promise<void> {
    const { items } = JSON.parse(await kubectl('-n', namespace, 'get', 'secrets', '-o', 'json')) as {
      items: { metadata: { name: string }; data?: Record<string, string> }[];
    };
    const secrets = shopSecrets((name) => items.find((item) => item.metadata.name === name)?.data ?? {});
    await writeFile(secretsFile, JSON.stringify(secrets), { mode: 0o600 });
    await writeFile(endpointsFile, JSON.stringify(await endpoints()));
  }

  async function ready(): Promise<void> {
    await kubectl(
      '-n',
      namespace,
      'rollout',
      'status',
      'statefulset,deployment',
      `--timeout=${readyTimeoutMs / 1000}s`,
    );
  }

  return {
    async deploy() {
      await kubectl('apply', '-f', join(folder, 'manifests'));
      await ready();
    },
    ready,

    async load({ ratePerSecond, seed }) {
      await rm(journal, { force: true });
      await writeInputs();
      const [command, ...prefix] = await lab.enter();
      const script = join(folder, 'load', 'load-main.ts');
      const args = [
        ...prefix,
        process.execPath,
        script,
        '--endpoints',
        endpointsFile,
        '--journal',
        journal,
        '--rate',
        String(ratePerSecond),
        '--seed',
        seed,
      ];
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
      const output: Buffer[] = [];
      const errors: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
      const ended = new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve(code ?? -1));
      });
      // Awaited in stop(); until then a failure must not be an unhandled rejection.
      ended.catch(() => undefined);
      const failure = (code: number | null): SalvorError =>
        new SalvorError(
          `The load generator ended with ${code}: ${Buffer.concat(errors).toString('utf8').trim().slice(-2_000)}`,
          { code: 'Internal' },
        );
      const lines = async (): Promise<number> =>
        (await readFile(journal, 'utf8').catch(() => '')).split('\n').length - 1;
      return {
        async acknowledged() {
          if (child.exitCode !== null) throw failure(child.exitCode);
          return lines();
        },
        async stop() {
          await endLoad(child.pid);
          const code = await ended;
          if (code !== 0) throw failure(code);
          return JSON.parse(Buffer.concat(output).toString('utf8')) as LoadSummary;
        },
        [Symbol.asyncDispose]: async () => {
          await endLoad(child.pid);
          await ended.catch(() => undefined);
        },
      };
    },

    async check(before) {
      await writeInputs();
      const script = join(folder, 'checker', 'checker-main.ts');
      const { stdout, stderr } = await lab.exec(
        [
          process.execPath,
          script,
          '--endpoints',
          endpointsFile,
          '--secrets',
          secretsFile,
          '--journal',
          journal,
          '--before',
          before,
          '--settle',
          String(settleSeconds),
          '-o',
          'json',
        ],
        { signal },
      );
      if (stdout === '')
        throw new SalvorError(`The checker failed: ${stderr.trim().slice(-2_000)}`, { code: 'Internal' });
      return JSON.parse(stdout) as CheckReport;
    },

    async destroy() {
      const volumes = await volumesOf(kubectl);
      await kubectl('delete', 'namespace', namespace, '--wait=false');
      await waitFor(
        async () => ((await kubectl('get', 'namespace', namespace, '--ignore-not-found')) === '' ? true : undefined),
        { what: 'the namespace to be gone', timeoutMs: goneTimeoutMs, intervalMs: 500, signal },
      );
      await waitFor(async () => ((await volumesOf(kubectl)) === 0 ? true : undefined), {
        what: 'the volumes to be gone',
        timeoutMs: goneTimeoutMs,
        intervalMs: 500,
        signal,
      });
      return { volumes };
    },
  };
}

async function volumesOf(kubectl: (...args: string[]) => Promise<string>): Promise<number> {
  const { items } = JSON.parse(await kubectl('get', 'persistentvolumes', '-o', 'json')) as {
    items: { spec: { claimRef?: { namespace?: string } } }[];
  };
  return items.filter((item) => item.spec.claimRef?.namespace === namespace).length;
}

/** nsenter forks into the lab's process namespace and forwards no signal: the load generator is its child. */
async function endLoad(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  for (const child of children.split(' ').filter((text) => text !== '')) process.kill(Number(child), 'SIGTERM');
}
