import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { z } from 'zod';
import { messageOf } from '#shared/errors';
import type { Log } from './log.ts';

/** The longest JSON body that is read: a batch of events is a few KiB. */
const jsonBytesMax = 1024 * 1024;

export interface ShopRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: IncomingMessage;
  /** The body as JSON of that shape; anything else ends the request with 400. */
  json<T>(schema: z.ZodType<T>): Promise<T>;
}

/** What a handler answers: JSON, or JSON lines, or bytes. */
export interface Reply {
  readonly status: number;
  readonly json?: unknown;
  readonly lines?: AsyncIterable<unknown>;
  readonly bytes?: Readable;
}

export type Handler = (request: ShopRequest) => Promise<Reply>;

/** Handlers by "METHOD /path/:param". */
export type Routes = Readonly<Record<string, Handler>>;

/** An error that ends a request with this status instead of 500. */
export function refusal(status: number, message: string): Error {
  return Object.assign(new Error(message), { status });
}

export interface ServeOptions {
  readonly port: number;
  readonly routes: () => Routes | undefined;
  readonly ready: () => Promise<boolean>;
  readonly log: Log;
}

/** Serves the routes plus /healthz (the process answers) and /readyz (it can do its work). Port 0 takes a free one. */
export async function serve(options: ServeOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log('an answer could not be sent', { url: request.url, error: messageOf(error) });
      response.destroy();
    });
  });
  // Longer than the keep-alive of clients: otherwise a request can meet a connection that is being closed.
  server.keepAliveTimeout = 75_000;
  server.listen(options.port);
  await once(server, 'listening');
  return server;
}

async function answer(options: ServeOptions, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? '/', 'http://shop');
  try {
    await send(response, await dispatch(options, incoming, url));
  } catch (error) {
    const status = statusOf(error);
    if (status >= 500) options.log('a request failed', { url: url.pathname, error: messageOf(error) });
    if (response.headersSent) throw error;
    await send(response, { status, json: { error: messageOf(error) } });
  }
}

async function dispatch(options: ServeOptions, incoming: IncomingMessage, url: URL): Promise<Reply> {
  if (url.pathname === '/healthz') return { status: 200, json: { alive: true } };
  if (url.pathname === '/readyz') {
    const ready = await options.ready();
    return { status: ready ? 200 : 503, json: { ready } };
  }
  const routes = options.routes();
  if (routes === undefined) return { status: 503, json: { error: 'still starting' } };
  for (const [route, handler] of Object.entries(routes)) {
    const params = match(route, incoming.method ?? 'GET', url.pathname);
    if (params === undefined) continue;
    return handler({
      params,
      query: url.searchParams,
      body: incoming,
      json: async (schema) => readJson(incoming, schema),
    });
  }
  return { status: 404, json: { error: `no such route: ${incoming.method} ${url.pathname}` } };
}

/** The parameters of the path if the route fits it. */
export function match(route: string, method: string, path: string): Record<string, string> | undefined {
  const [routeMethod, routePath = ''] = route.split(' ');
  if (routeMethod !== method) return undefined;
  const wanted = routePath.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
  }
  return params;
}

async function readJson<T>(incoming: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > jsonBytesMax) throw refusal(413, `a body may have ${jsonBytesMax} bytes`);
    parts.push(part);
  }
  const parsed = schema.safeParse(parseJson(Buffer.concat(parts).toString('utf8')));
  if (!parsed.success) throw refusal(400, parsed.error.message);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusal(400, 'the body is not JSON');
  }
}

async function send(response: ServerResponse, reply: Reply): Promise<void> {
  if (reply.lines !== undefined) {
    response.writeHead(reply.status, { 'content-type': 'application/x-ndjson' });
    await pipeline(Readable.from(toLines(reply.lines)), response);
  } else if (reply.bytes !== undefined) {
    response.writeHead(reply.status, { 'content-type': 'application/octet-stream' });
    await pipeline(reply.bytes, response);
  } else {
    const body = Buffer.from(`${JSON.stringify(reply.json ?? {})}\n`);
    response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  }
}

async function* toLines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of items) yield `${JSON.stringify(item)}\n`;
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500;
}

/** The JSON lines of a response body. */
export async function* readLines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as T;
  }
  if (rest !== '') throw new Error('The answer ended in the middle of a line');
}
