import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { waitFor } from '#shared/async';
import { storeFolder } from './lab.ts';
import type { TestLab } from './lab.ts';

/** Another way from this machine to the lab's store; pods keep theirs. For SALVOR_STORE_ENDPOINT. */
export interface Gateway extends AsyncDisposable {
  readonly endpoint: string;
}

/** The same store with the same keys, by a server that refuses to write. */
export async function readOnlyGateway({ lab }: TestLab): Promise<Gateway> {
  const port = await freePort();
  const { accessKeyId: ROOT_ACCESS_KEY, secretAccessKey: ROOT_SECRET_KEY } = await lab.store();
  const { PATH } = await lab.env();
  const folder = dirname(await storeFolder(lab));
  const child = spawn('versitygw', ['--readonly', '--port', `127.0.0.1:${port}`, '--quiet', 'posix', folder], {
    env: { PATH, ROOT_ACCESS_KEY, ROOT_SECRET_KEY },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  await waitFor(async () => accepts(port), { what: 'versitygw', timeoutMs: 20_000, intervalMs: 20 });
  return {
    endpoint: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Passes requests on, but holds back those that are chosen, for ever. `held` resolves when the first one is. */
export async function holdingGateway(
  { lab }: TestLab,
  holds: (method: string, path: string) => boolean,
): Promise<Gateway & { readonly held: Promise<void> }> {
  const { endpoint } = await lab.store();
  const { promise: held, resolve } = Promise.withResolvers<void>();
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    if (holds(method, url)) {
      resolve();
      return;
    }
    // The Host header is part of the signature and stays as the client wrote it.
    const onward = request(new URL(url, endpoint), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    held,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
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
