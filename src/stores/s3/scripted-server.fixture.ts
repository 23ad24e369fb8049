import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseLocation } from '../location.ts';
import { createRetry } from '../retry.ts';
import type { Store } from '../store.ts';
import type { S3Timing } from './client.ts';
import { openS3Store } from './s3-store.ts';
import type { S3Options } from './s3-store.ts';

export const credentials = { accessKeyId: 'salvor-test', secretAccessKey: 'salvor-test-secret' };

/** For servers that are silent on purpose: short enough for a test. */
export const quickTiming: S3Timing = { connectMs: 1_000, silenceMs: 150, callMs: 2_000 };

/** For all others: a machine may be slow without being silent. */
const patientTiming: S3Timing = { connectMs: 10_000, silenceMs: 20_000, callMs: 40_000 };

export interface ScriptOptions extends S3Options {
  /** Added to the location: `&region=...`. */
  readonly settings?: string;
  readonly host?: string;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
}

/** An HTTP server on loopback that answers as it is told. */
export async function listen(answer: Answer): Promise<ScriptedServer> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/**
 * Runs the test with a store at s3://bucket/prefix on a server that answers every request as the test tells it: a fake,
 * because sound servers do not misbehave on demand. What they do is tested on real ones in s3.system.test.ts.
 */
export async function withServer(
  answer: Answer,
  run: (store: Store) => Promise<void>,
  { settings = '', host = '127.0.0.1', ...options }: ScriptOptions = {},
): Promise<void> {
  await using server = await listen(answer);
  const location = parseLocation(`s3://bucket/prefix?endpoint=http://${host}:${server.port}${settings}`);
  assert.ok(location.kind === 's3');
  const clock = { now: () => 0, sleep: async () => {} };
  const defaults = { credentials, timing: patientTiming, retry: createRetry({ clock }) };
  const store = await openS3Store(location, { ...defaults, ...options });
  try {
    await run(store);
  } finally {
    await store.close();
  }
}

/** An answer as S3 words its errors. */
export function fail(response: ServerResponse, status: number, code: string, rest = ''): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(code === '' ? '' : `<Error><Code>${code}</Code><Message>the reason</Message>${rest}</Error>`);
}

/** A request's body, read to its end. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
}
