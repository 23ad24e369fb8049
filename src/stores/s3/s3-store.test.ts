import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { keysOf, withCode } from '../store.contract.ts';
import { bodyOf, quickTiming, withServer } from './scripted-server.fixture.ts';

test('one connection serves call after call, with large bodies too', async () => {
  const sockets = new Set<unknown>();
  await withServer(
    async (request, response) => {
      sockets.add(request.socket);
      await bodyOf(request);
      response.setHeader('etag', '"1"').end('x');
    },
    async (store) => {
      for (let round = 0; round < 3; round++) {
        await store.put('a', Buffer.alloc(3_000_000));
        await store.get('a');
      }
    },
  );
  assert.equal(sockets.size, 1);
});

describe('the S3 store and a server that misbehaves', () => {
  test('a socket that says nothing does not hang the caller', async () => {
    await withServer(
      () => {},
      async (store) => {
        await assert.rejects(store.get('a'), withCode('StoreUnreachable'));
        await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreUnreachable'));
      },
      { timing: quickTiming },
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
      { timing: quickTiming },
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
      { timing: { ...quickTiming, silenceMs: 600_000, callMs: 200 } },
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

  test('a page of a proxy is no listing: a store full of data would look empty', async () => {
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<html><body>Please log in</body></html>');
      },
      async (store) => {
        await assert.rejects(keysOf(store, ''), withCode('StoreFailed'));
        await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreFailed'));
      },
    );
  });

  test('a server that takes a body and never answers does not hang the caller', async () => {
    await withServer(
      (request) => request.resume(),
      async (store) => {
        await assert.rejects(store.put('a', Buffer.alloc(1_000_000)), withCode('StoreUnreachable'));
      },
      { timing: quickTiming },
    );
  });

  test('a server that does not take the body does not hang the caller', async () => {
    await withServer(
      (request) => request.pause(),
      async (store) => {
        await assert.rejects(store.put('a', Buffer.alloc(20_000_000)), withCode('StoreUnreachable'));
      },
      { timing: quickTiming },
    );
  });

  test('a server that breaks off a large body may have refused it: that is said, and it is tried again', async () => {
    await withServer(
      (request) => void request.once('data', () => request.socket.resetAndDestroy()),
      async (store) => {
        await assert.rejects(store.put('a', Buffer.alloc(20_000_000)), (error: unknown) => {
          assert.ok(error instanceof SalvorError && error.retryable && error.code === 'StoreUnreachable');
          assert.match(`${error.hint}`, /quota/);
          return true;
        });
      },
    );
  });

  test('an object too large for memory is refused before it is read', async () => {
    await withServer(
      (_request, response) => response.writeHead(200, { 'content-length': String(2 ** 40) }).write('x'),
      async (store) => {
        await assert.rejects(store.get('a'), withCode('InvalidInput'));
      },
    );
  });

  test('objects of others whose names are no keys are passed over', async () => {
    const keys = ['prefix/folder/', 'prefix/a b', 'prefix/ok', 'prefix//x'];
    const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('');
    await withServer(
      (_request, response) => response.end(`<ListBucketResult><Name>bucket</Name>${contents}</ListBucketResult>`),
      async (store) => assert.deepEqual(await keysOf(store, ''), ['ok']),
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
      { timing: { ...quickTiming, silenceMs: 600_000, callMs: 600_000 } },
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
