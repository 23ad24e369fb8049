import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '#shared/async';

/** For tests: what every client of the servers gives. */
export const credentials = { accessKeyId: 'salvor-test', secretAccessKey: 'salvor-test-secret' };

export interface Gateway {
  readonly endpoint: string;
  /** Holds a folder per bucket. */
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

export interface GatewayOptions {
  /** Speak TLS with these files (PEM). */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Starts a versitygw on loopback with the bucket `bucket`; `bin` is the folder of the lab's binaries. */
export async function startGateway(bin: string | undefined, { tls }: GatewayOptions = {}): Promise<Gateway> {
  return startServer(
    { bin, command: 'versitygw', isTls: tls !== undefined },
    ({ port, folder, versions, accounts }) => ({
      args: [
        '--quiet',
        '--keep-alive',
        `--port=127.0.0.1:${port}`,
        `--iam-dir=${accounts}`,
        ...tlsFlags(tls),
        'posix',
        `--versioning-dir=${versions}`,
        folder,
      ],
      env: { ROOT_ACCESS_KEY_ID: credentials.accessKeyId, ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    }),
  );
}

/** Starts rclone's S3 server, an implementation of its own, in the same way. */
export async function startRclone(bin: string | undefined, { tls }: GatewayOptions = {}): Promise<Gateway> {
  return startServer({ bin, command: 'rclone', isTls: tls !== undefined }, ({ port, folder }) => ({
    args: [
      'serve',
      's3',
      folder,
      `--addr=127.0.0.1:${port}`,
      '--config=',
      '--log-level=CRITICAL',
      `--auth-key=${credentials.accessKeyId},${credentials.secretAccessKey}`,
      ...tlsFlags(tls),
    ],
    env: { HOME: folder },
  }));
}

/** Makes an account of a versitygw that may do nothing until a policy of a bucket says so. */
export async function addAccount(
  bin: string | undefined,
  endpoint: string,
  account: typeof credentials,
): Promise<void> {
  const args = [
    'admin',
    `--access=${credentials.accessKeyId}`,
    `--secret=${credentials.secretAccessKey}`,
    `--endpoint-url=${endpoint}`,
    'create-user',
    `--access=${account.accessKeyId}`,
    `--secret=${account.secretAccessKey}`,
    '--role=user',
  ];
  await promisify(execFile)(join(binFolder(bin), 'versitygw'), args);
}

function tlsFlags(tls: GatewayOptions['tls']): readonly string[] {
  return tls === undefined ? [] : [`--cert=${tls.certificate}`, `--key=${tls.key}`];
}

interface ServerKind {
  readonly bin: string | undefined;
  readonly command: string;
  readonly isTls: boolean;
}

interface Places {
  readonly port: number;
  /** Holds a folder per bucket. */
  readonly folder: string;
  readonly versions: string;
  readonly accounts: string;
}

type CommandLine = (places: Places) => { readonly args: readonly string[]; readonly env: Record<string, string> };

async function startServer({ bin, command, isTls }: ServerKind, commandLine: CommandLine): Promise<Gateway> {
  const base = await mkdtemp(join(tmpdir(), 'salvor-s3-'));
  const [folder, versions, accounts] = [join(base, 'data'), join(base, 'versions'), join(base, 'accounts')];
  for (const path of [join(folder, 'bucket'), versions, accounts]) await mkdir(path, { recursive: true });
  const port = await freePort();
  const { args, env } = commandLine({ port, folder, versions, accounts });
  const child = spawn(join(binFolder(bin), command), args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let lastWords = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (lastWords = text));
  const ended = once(child, 'exit');
  await Promise.race([
    waitFor(async () => accepts(port), { what: command, timeoutMs: 20_000, intervalMs: 20 }),
    ended.then(([code]) => {
      throw new Error(`${command} ended at once with code ${code}: ${lastWords}`);
    }),
  ]);
  return {
    folder,
    endpoint: `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      await rm(base, { recursive: true, force: true });
    },
  };
}

function binFolder(bin: string | undefined): string {
  if (bin !== undefined) return bin;
  throw new Error('Set SALVOR_LAB_BIN to the folder of the lab’s binaries: this test needs its S3 servers from there');
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function accepts(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
