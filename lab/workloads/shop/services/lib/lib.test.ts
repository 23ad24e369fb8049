import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { z } from 'zod';
import { createBacklog } from './backlog.ts';
import { match, readLines, refusal, serve } from './http.ts';
import type { Routes } from './http.ts';
import { startLoop } from './loop.ts';

const silent = (): void => undefined;

test('a backlog admits up to its limit, then in the order of arrival as places become free', async () => {
  const backlog = createBacklog(1);
  assert.equal(await backlog.enter(1000), true);
  const order: string[] = [];
  const second = backlog.enter(60_000).then(() => order.push('second'));
  const third = backlog.enter(60_000).then(() => order.push('third'));
  backlog.leave();
  await second;
  assert.deepEqual(order, ['second']);
  backlog.set(0);
  await third;
  assert.deepEqual(order, ['second', 'third']);
  assert.equal(backlog.length, 1);
});

test('a backlog turns away who finds no place in time, and forgets him', async () => {
  const backlog = createBacklog(1);
  await backlog.enter(1000);
  assert.equal(await backlog.enter(1), false);
  backlog.leave();
  assert.equal(backlog.length, 0);
});

test('a loop goes on at once while there is more, waits to be woken else, and ends with its signal', async () => {
  const stop = new AbortController();
  const answers = [true, true, false, false];
  let calls = 0;
  const idle = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  const loop = startLoop(
    async () => {
      calls++;
      if (calls === 3) idle.resolve();
      if (calls === 4) woken.resolve();
      return answers[calls - 1] ?? false;
    },
    { name: 'test', log: silent, signal: stop.signal },
  );
  await idle.promise;
  loop.wake();
  await woken.promise;
  stop.abort();
  await loop.done;
  assert.ok(calls >= 4);
});

test('a loop logs a failure once and goes on', async () => {
  const stop = new AbortController();
  const messages: string[] = [];
  let calls = 0;
  const again = Promise.withResolvers<void>();
  const loop = startLoop(
    async () => {
      if (++calls === 1) throw new Error('away');
      again.resolve();
      return false;
    },
    { name: 'relay', log: (message) => messages.push(message), signal: stop.signal },
  );
  await again.promise;
  stop.abort();
  await loop.done;
  assert.deepEqual(messages, ['relay: failed, trying again', 'relay: works again']);
});

test('a route fits a path with its parameters, and no other', () => {
  assert.deepEqual(match('POST /orders/:id/refund', 'POST', '/orders/a%20b/refund'), { id: 'a b' });
  assert.equal(match('POST /orders/:id/refund', 'GET', '/orders/a/refund'), undefined);
  assert.equal(match('POST /orders/:id/refund', 'POST', '/orders/a'), undefined);
});

/** Serves the routes on a free port for the time of the test. */
async function withServer(routes: Routes | undefined, use: (url: string) => Promise<void>): Promise<void> {
  const server = await serve({ port: 0, routes: () => routes, ready: async () => routes !== undefined, log: silent });
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

test('a service that is starting is alive, not ready, and refuses work for now', async () => {
  await withServer(undefined, async (url) => {
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal((await fetch(`${url}/readyz`)).status, 503);
    assert.equal((await fetch(`${url}/orders`, { method: 'POST' })).status, 503);
  });
});

test('a body that is not what the route takes is answered with 400, a refusal with its status', async () => {
  const routes: Routes = {
    'POST /orders': async (request) => ({ status: 201, json: await request.json(z.object({ id: z.string() })) }),
    'GET /refused': async () => {
      throw refusal(409, 'no');
    },
  };
  await withServer(routes, async (url) => {
    const post = async (body: string): Promise<Response> => fetch(`${url}/orders`, { method: 'POST', body });
    assert.equal((await post('{')).status, 400);
    assert.equal((await post('{"id":1}')).status, 400);
    assert.deepEqual(await (await post('{"id":"a"}')).json(), { id: 'a' });
    assert.equal((await fetch(`${url}/refused`)).status, 409);
    assert.equal((await fetch(`${url}/unknown`)).status, 404);
  });
});

test('lines are read whole, whatever the chunks are, and a broken end is an error', async () => {
  const chunks = (...texts: string[]): ReadableStream<Uint8Array> =>
    ReadableStream.from(texts.map((text) => Buffer.from(text)));
  assert.deepEqual(await Array.fromAsync(readLines(chunks('{"a":', '1}\n{"a":2}', '\n'))), [{ a: 1 }, { a: 2 }]);
  await assert.rejects(Array.fromAsync(readLines(chunks('{"a":1}\n{"a"'))), /in the middle of a line/);
});
