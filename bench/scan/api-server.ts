import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';

/** The lab's etcd and API server on loopback, with nothing that runs pods. Ends when disposed. */
export interface ApiServer extends AsyncDisposable {
  readonly kubeconfig: string;
  /** Creates an object in the list at this path; throws what the server says against it. */
  create(path: string, body: object): Promise<void>;
}

const token = 'benchmark';
const readyTimeoutMs = 60_000;
/** More at once only queue in the server. */
const connectionsMax = 32;

/** `kubelab` is the lab's binary of Kubernetes' components; `work` takes the data. */
export async function startApiServer(kubelab: string, work: string, signal: AbortSignal): Promise<ApiServer> {
  await mkdir(work, { recursive: true });
  const [clientPort = 0, peerPort = 0, apiPort = 0] = await freePorts(3);
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const at = (name: string): string => join(work, name);
  await writeFile(at('sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(at('sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await writeFile(at('tokens.csv'), `${token},benchmark,1,system:masters\n`, { mode: 0o600 });
  await using stack = new AsyncDisposableStack();
  const start = (name: string, args: readonly string[]): void => {
    const log = openSync(at(`${name}.log`), 'w');
    const child = spawn(kubelab, [name, ...args], { stdio: ['ignore', log, log] });
    stack.defer(async () => end(child));
  };
  const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  start('etcd', [
    `--data-dir=${at('etcd')}`,
    '--name=bench',
    '--unsafe-no-fsync',
    '--quota-backend-bytes=8589934592',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=bench=${peer}`,
  ]);
  start('kube-apiserver', [
    `--etcd-servers=${client}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${apiPort}`,
    `--cert-dir=${at('certificates')}`,
    `--token-auth-file=${at('tokens.csv')}`,
    '--authorization-mode=AlwaysAllow',
    '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${at('sa.pub')}`,
    `--service-account-signing-key-file=${at('sa.key')}`,
    '--service-cluster-ip-range=10.96.0.0/16',
  ]);
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, rejectUnauthorized: false });
  stack.defer(() => agent.destroy());
  const target = { host: '127.0.0.1', port: apiPort, agent };
  await waitFor(
    async () => ((await ask(target, 'GET', '/readyz').catch(() => undefined))?.status === 200 ? true : undefined),
    {
      what: 'the API server to be ready',
      timeoutMs: readyTimeoutMs,
      intervalMs: 250,
      signal,
    },
  );
  const kubeconfig = at('kubeconfig');
  // Its own certificate, with the authority it made for it.
  const authority = (await readFile(join(at('certificates'), 'apiserver.crt'))).toString('base64');
  await writeFile(kubeconfig, JSON.stringify(configOf(`https://127.0.0.1:${apiPort}`, authority)), { mode: 0o600 });
  const kept = stack.move();
  return {
    kubeconfig,
    async create(path, body) {
      const { status, text } = await ask(target, 'POST', path, JSON.stringify(body));
      if (status !== 201)
        throw new SalvorError(`The API server refused ${path}: ${text.slice(0, 500)}`, { code: 'ClusterRefused' });
    },
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
  };
}

function configOf(server: string, authority: string): object {
  const name = 'bench';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly agent: Agent;
}

async function ask(
  target: Target,
  method: string,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ ...target, method, path, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'exit');
  child.kill('SIGKILL');
  await closed;
}

/** Held together, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
