import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { SalvorError } from '#shared/errors';
import { KubeClient, isConflict } from './client.ts';

/** A server that answers as told, to inject the faults that a healthy API server does not show. */
async function faultyServer(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  let count = 0;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    answer(request, response, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clock = { now: () => 0, sleep: async () => undefined };
  const client = new KubeClient(
    { server: new URL(`http://127.0.0.1:${port}`), context: 'test', authenticate: async () => undefined },
    clock,
  );
  return {
    client,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const status = (message: string) => ({ kind: 'Status', message });
const failureOf = async (work: Promise<unknown>): Promise<SalvorError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SalvorError, 'expected a SalvorError');
  return error;
};

test('a read that meets an overloaded or restarting server is made again', async () => {
  await using server = await faultyServer((request, response, count) => {
    if (count === 1) return json(response, 429, status('too many'));
    if (count === 2) return json(response, 503, status('starting'));
    if (count === 3) return void request.socket.destroy();
    json(response, 200, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  });
  const object = await server.client.get(kinds.namespaces, { name: 'shop' });
  assert.equal(object?.metadata.name, 'shop');
  assert.equal(server.seen.length, 4);
});

test('a create that was cut off is not made again: it may have been carried out', async () => {
  await using server = await faultyServer((request) => request.socket.destroy());
  const error = await failureOf(
    server.client.create(kinds.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } }),
  );
  assert.equal(error.code, 'ClusterUnreachable');
  assert.equal(server.seen.length, 1);
});

test('a missing object is undefined, a forbidden one is an error with a remedy', async () => {
  await using server = await faultyServer((request, response) =>
    request.url?.includes('secret')
      ? json(response, 403, status('secrets is forbidden'))
      : json(response, 404, status('not found')),
  );
  assert.equal(await server.client.get(kinds.namespaces, { name: 'x' }), undefined);
  const error = await failureOf(server.client.get(kinds.secrets, { name: 'x', namespace: 'y' }));
  assert.equal(error.code, 'ClusterForbidden');
  assert.match(error.hint ?? '', /Grant/);
});

test('lists are read page by page, and items know their kind', async () => {
  await using server = await faultyServer((request, response) => {
    const more = !request.url?.includes('continue=next');
    json(response, 200, {
      apiVersion: 'v1',
      metadata: more ? { continue: 'next' } : {},
      items: [{ metadata: { name: more ? 'a' : 'b' } }],
    });
  });
  const found = await Array.fromAsync(server.client.list(kinds.secrets, { namespace: 'shop' }));
  assert.deepEqual(
    found.map((object) => [object.kind, object.apiVersion, object.metadata.name]),
    [
      ['Secret', 'v1', 'a'],
      ['Secret', 'v1', 'b'],
    ],
  );
});

test('ensure answers what another run has created in between', async () => {
  const existing: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x', uid: 'theirs' } };
  await using server = await faultyServer((request, response, count) => {
    if (request.method === 'POST') return json(response, 409, status('already exists'));
    return count === 1 ? json(response, 404, status('not found')) : json(response, 200, existing);
  });
  const object = await server.client.ensure<KubeObject>(kinds.namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'x' },
  });
  assert.equal(object.metadata.uid, 'theirs');
});

test('conflicts are told apart from refusals', async () => {
  await using server = await faultyServer((_, response) => json(response, 409, status('modified')));
  assert.ok(
    isConflict(
      await failureOf(
        server.client.replace(kinds.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } }),
      ),
    ),
  );
});

test('deleting what is gone is not an error', async () => {
  await using server = await faultyServer((_, response) => json(response, 404, status('not found')));
  await server.client.delete(kinds.namespaces, { name: 'x' });
});

test('an answer that is no status, as a proxy gives it, is shown in one line', async () => {
  await using server = await faultyServer((_, response) => response.writeHead(400).end('<html>\nBad gateway</html>'));
  const error = await failureOf(server.client.request({ method: 'GET', path: '/x' }));
  assert.equal(error.message, '<html>');
});

test('an aborted request is cancelled, not retried', async () => {
  const controller = new AbortController();
  await using server = await faultyServer(() => controller.abort());
  const error = await failureOf(server.client.request({ method: 'GET', path: '/x', signal: controller.signal }));
  assert.equal(error.code, 'Cancelled');
  assert.equal(server.seen.length, 1);
});
