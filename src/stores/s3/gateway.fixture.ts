import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '#shared/async';

/** For tests: what every client of the gateway gives. */
export const credentials = { accessKeyId: 'salvor-test', secretAccessKey: 'salvor-test-secret' };

export interface Gateway {
  readonly endpoint: string;
  /** Where it keeps the objects: `bucket/KEY`. */
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

/** Starts a versitygw on loopback with the bucket `bucket`; `bin` is the folder of the lab's binaries. */
export async function startGateway(bin: string | undefined): Promise<Gateway> {
  if (bin === undefined) {
    throw new Error('Set SALVOR_LAB_BIN to the folder of the lab’s binaries: this test needs versitygw from there');
  }
  const folder = await mkdtemp(join(tmpdir(), 'salvor-s3-'));
  await mkdir(join(folder, 'bucket'));
  const port = await freePort();
  const child = spawn(join(bin, 'versitygw'), ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', folder], {
    env: { ROOT_ACCESS_KEY_ID: credentials.accessKeyId, ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  await Promise.race([
    waitFor(async () => accepts(port), { what: 'versitygw', timeoutMs: 20_000, intervalMs: 20 }),
    ended.then(([code]) => {
      throw new Error(`versitygw ended at once with code ${code}`);
    }),
  ]);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    folder,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
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
