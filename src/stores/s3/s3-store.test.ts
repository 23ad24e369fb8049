import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { parseLocation } from '../location.ts';
import type { Store } from '../store.ts';
import { keysOf, withCode } from '../store.contract.ts';
import { openS3Store } from './s3-store.ts';

const credentials = { accessKeyId: 'salvor-test', secretAccessKey: 'salvor-test-secret' };

/** A server that answers every request as told; for what a sound server does not do. */
async function withServer(
  answer: RequestListener,
  run: (store: Store) => Promise<void>,
  timing = { connectMs: 1_000, silenceMs: 150, callMs: 2_000 },
): Promise<void> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const location = parseLocation(`s3://bucket/prefix?endpoint=http://127.0.0.1:${port}`);
  assert.ok(location.kind === 's3');
  const store = await openS3Store(location, { credentials, timing });
  try {
    await run(store);
  } finally {
    await store.close();
    server.closeAllConnections();
    server.close();
  }
}

describe('the S3 store and a server that misbehaves', () => {
  test('a socket that says nothing does not hang the caller', async () => {
    await withServer(
      () => {},
      async (store) => {
        await assert.rejects(store.get('a'), withCode('StoreUnreachable'));
        await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreUnreachable'));
      },
    );
  });

  test('a body that stalls in the middle does not hang the caller', async () => {
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('only this');
      },
      async (store) => {
        await assert.rejects(store.get('a'), withCode('StoreUnreachable'));
      },
    );
  });

  test('a body that never ends is given up when the time for the call is over', async () => {
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('only this');
      },
      async (store) => {
        await assert.rejects(store.get('a'), withCode('StoreUnreachable'));
      },
      { connectMs: 1_000, silenceMs: 600_000, callMs: 200 },
    );
  });

  test('a body that is cut off is unreachable or corrupt, never short bytes', async () => {
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('only this', () => response.destroy());
      },
      async (store) => {
        await assert.rejects(store.get('a'), (error: unknown) => {
          assert.ok(error instanceof SalvorError && error.retryable, String(error));
          return true;
        });
      },
    );
  });

  test('a body shorter than the range is corrupt, and one that is longer is refused', async () => {
    await withServer(
      (_request, response) => response.end('12345'),
      async (store) => {
        await assert.rejects(store.get('a', { length: 10 }), withCode('StoreCorrupt'));
        await assert.rejects(store.get('a', { length: 3 }), withCode('StoreFailed'));
      },
    );
  });

  test('statuses become codes', async () => {
    for (const [status, body, code, retryable] of [
      [403, '', 'StoreAccessDenied', false],
      [503, '<Error><Code>SlowDown</Code></Error>', 'StoreFailed', true],
      [500, '', 'StoreFailed', true],
      [429, '', 'StoreFailed', true],
      [507, '', 'StoreFull', false],
      [403, '<Error><Code>QuotaExceeded</Code></Error>', 'StoreFull', false],
      [400, '<Error><Code>ExpiredToken</Code></Error>', 'StoreAccessDenied', false],
      [400, '<Error><Code>InvalidArgument</Code></Error>', 'StoreFailed', false],
      [404, '<Error><Code>NoSuchBucket</Code></Error>', 'StoreNotFound', false],
    ] as const) {
      await withServer(
        (_request, response) => {
          response.writeHead(status, { 'content-type': 'application/xml' });
          response.end(body);
        },
        async (store) => {
          await assert.rejects(store.put('a', Buffer.from('x')), (error: unknown) => {
            assert.ok(error instanceof SalvorError);
            assert.deepEqual([error.code, error.retryable], [code, retryable], `${status} ${body}: ${error.message}`);
            if (status === 403 && body === '')
              assert.match(`${error.hint}`, /s3:PutObject on arn:aws:s3:::bucket\/prefix\/\*/);
            return true;
          });
        },
      );
    }
  });

  test('a server without conditional writes still keeps an object that is there', async () => {
    let stored = false;
    await withServer(
      (request, response) => {
        if (request.method === 'PUT' && request.headers['if-none-match'] !== undefined) response.writeHead(501);
        else if (request.method === 'PUT') {
          stored = true;
          response.setHeader('etag', '"1"');
        } else if (request.method === 'HEAD' && !stored) response.writeHead(404);
        if (request.method === 'GET') response.write('<ListBucketResult><Name>bucket</Name></ListBucketResult>');
        response.end();
      },
      async (store) => {
        assert.equal(await store.put('a', Buffer.from('x'), { ifAbsent: true }), true);
        assert.equal(stored, true);
        assert.equal(await store.put('a', Buffer.from('y'), { ifAbsent: true }), false);
      },
    );
  });

  test('a listing that never ends is given up', async () => {
    await withServer(
      (_request, response) => {
        response.end(
          '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>',
        );
      },
      async (store) => {
        await assert.rejects(keysOf(store, ''), withCode('StoreFailed'));
      },
    );
  });

  test('an abort by the caller ends a body that stalls', async () => {
    const abort = new AbortController();
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('only this', () => setImmediate(() => abort.abort()));
      },
      async (store) => {
        await assert.rejects(store.get('a', { signal: abort.signal }), { name: 'AbortError' });
      },
      { connectMs: 1_000, silenceMs: 600_000, callMs: 600_000 },
    );
  });

  test('an abort by the caller is an abort, in the middle of a call too', async () => {
    const abort = new AbortController();
    await withServer(
      () => abort.abort(),
      async (store) => {
        await assert.rejects(store.get('a', { signal: abort.signal }), { name: 'AbortError' });
      },
    );
  });
});
