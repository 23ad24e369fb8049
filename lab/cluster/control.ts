import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { messageOf, SalvorError } from '#shared/errors';
import type { ComponentStatus, Supervisor } from './supervisor.ts';

/** What can be asked of a running lab, one JSON line per connection; the answer is one JSON line too. */
export type Request =
  | { readonly op: 'status' }
  | { readonly op: 'stop'; readonly name: string; readonly signal: NodeJS.Signals }
  | { readonly op: 'start'; readonly name: string }
  | { readonly op: 'shutdown' };

export interface LabStatus {
  /** The hash of what the lab was started with: see lifecycle.ts. */
  readonly fingerprint: string;
  readonly components: readonly ComponentStatus[];
}

type Answer = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: string };

/** The largest message is a status; more is not one of ours. */
const lineBytesMax = 256 * 1024;

export interface ControlOptions {
  readonly path: string;
  readonly fingerprint: string;
  readonly supervisor: Supervisor;
  readonly onShutdown: () => Promise<void>;
}

/** Answers on a unix socket that only root can reach (its folder is 0700). */
export async function serveControl(options: ControlOptions): Promise<Server> {
  await rm(options.path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    void answer(socket, options);
  });
  server.listen(options.path);
  await once(server, 'listening');
  return server;
}

async function answer(socket: Socket, options: ControlOptions): Promise<void> {
  let reply: Answer;
  let request: Request | undefined;
  try {
    request = JSON.parse(await readLine(socket)) as Request;
    reply = { ok: true, result: await handle(request, options) };
  } catch (error) {
    reply = { ok: false, error: messageOf(error) };
  }
  socket.end(`${JSON.stringify(reply)}\n`);
  if (reply.ok && request?.op === 'shutdown') await options.onShutdown();
}

async function handle(request: Request, { supervisor, fingerprint }: ControlOptions): Promise<unknown> {
  switch (request.op) {
    case 'status':
      return { fingerprint, components: await supervisor.status() } satisfies LabStatus;
    case 'stop':
      return supervisor.stop(request.name, request.signal);
    case 'start':
      return supervisor.start(request.name);
    case 'shutdown':
      return supervisor.shutdown();
    default:
      request satisfies never;
      throw new SalvorError('Unknown request', { code: 'InvalidInput' });
  }
}

/** Asks a running lab. Throws ClusterUnreachable if nothing answers on its socket. */
export async function askControl<T>(path: string, request: Request, signal: AbortSignal): Promise<T> {
  let line: string;
  try {
    const socket = createConnection({ path, signal });
    await once(socket, 'connect', { signal });
    socket.write(`${JSON.stringify(request)}\n`);
    line = await readLine(socket);
  } catch (error) {
    throw new SalvorError('The lab does not answer', {
      code: 'ClusterUnreachable',
      hint: 'Start it, or repair it, with "npm run lab -- up".',
      cause: error,
    });
  }
  const reply = JSON.parse(line) as Answer;
  if (!reply.ok) throw new SalvorError(reply.error, { code: 'ClusterRefused' });
  return reply.result as T;
}

async function readLine(socket: Socket): Promise<string> {
  let text = '';
  for await (const part of socket.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    text += part;
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
    if (text.length > lineBytesMax) break;
  }
  throw new SalvorError('The connection ended before a whole line came', { code: 'ClusterUnreachable' });
}
