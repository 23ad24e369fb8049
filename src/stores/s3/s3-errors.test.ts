import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import dns from 'node:dns';
import { mock, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { Store } from '../store.ts';
import { bodyOf, fail, withServer } from './scripted-server.fixture.ts';

/** The error of a call, which has to be one. */
async function errorOf(call: Promise<unknown>): Promise<SalvorError> {
  const error: unknown = await call.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SalvorError, String(error));
  return error;
}

test('statuses and names of errors become codes, and verdicts on trying again', async () => {
  let answer: readonly [number, string] = [500, ''];
  await withServer(
    (_request, response) => fail(response, ...answer),
    async (store) => {
      for (const [status, name, code, retryable] of [
        [403, '', 'StoreAccessDenied', false],
        [403, 'AccessDenied', 'StoreAccessDenied', false],
        [403, 'SignatureDoesNotMatch', 'StoreAccessDenied', false],
        [403, 'InvalidAccessKeyId', 'StoreAccessDenied', false],
        [400, 'ExpiredToken', 'StoreAccessDenied', false],
        [400, 'InvalidArgument', 'StoreFailed', false],
        [400, 'BadDigest', 'StoreFailed', true],
        [400, 'XAmzContentSHA256Mismatch', 'StoreFailed', true],
        [404, 'NoSuchBucket', 'StoreNotFound', false],
        [408, '', 'StoreFailed', true],
        [409, 'ConditionalRequestConflict', 'StoreFailed', true],
        [429, '', 'StoreFailed', true],
        [500, '', 'StoreFailed', true],
        [500, 'InternalError', 'StoreFailed', true],
        [502, '', 'StoreFailed', true],
        [503, 'SlowDown', 'StoreFailed', true],
        [503, '', 'StoreFailed', true],
        [400, 'EntityTooLarge', 'StoreFull', false],
        [413, '', 'StoreFull', false],
        [507, '', 'StoreFull', false],
        [403, 'QuotaExceeded', 'StoreFull', false],
        [507, 'XMinioStorageFull', 'StoreFull', false],
      ] as const) {
        answer = [status, name];
        const error = await errorOf(store.put('a', Buffer.from('x')));
        assert.deepEqual([error.code, error.retryable], [code, retryable], `${status} ${name}: ${error.message}`);
      }
    },
  );
});

test('a refusal names the action and the resource, as a policy would', async () => {
  const calls: readonly (readonly [(store: Store) => Promise<unknown>, string])[] = [
    [async (store) => store.put('a', Buffer.from('x')), 's3:PutObject on arn:aws:s3:::bucket/prefix/*'],
    [async (store) => store.get('a'), 's3:GetObject on arn:aws:s3:::bucket/prefix/*'],
    [async (store) => store.head('a'), 's3:GetObject on arn:aws:s3:::bucket/prefix/*'],
    [async (store) => store.delete('a'), 's3:DeleteObject on arn:aws:s3:::bucket/prefix/*'],
    [async (store) => Array.fromAsync(store.list('')), 's3:ListBucket on arn:aws:s3:::bucket.'],
    [async (store) => store.objectLock?.retentionOf('a'), 's3:GetObjectRetention on arn:aws:s3:::bucket/prefix/*'],
  ];
  await withServer(
    (_request, response) => fail(response, 403, 'AccessDenied'),
    async (store) => {
      for (const [call, rights] of calls) {
        const error = await errorOf(call(store));
        assert.equal(error.code, 'StoreAccessDenied');
        assert.ok(`${error.hint}`.includes(rights), `${error.hint}`);
      }
    },
  );
});

test('a bucket in another region is named with its region, however the server tells it', async () => {
  const answers: readonly (readonly [number, string, string, Readonly<Record<string, string>>])[] = [
    [301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-3' }],
    [307, 'TemporaryRedirect', '', { 'x-amz-bucket-region': 'eu-west-3', location: 'http://127.0.0.1:1/' }],
    [400, 'AuthorizationHeaderMalformed', '<Region>eu-west-3</Region>', {}],
    [301, '', '', { 'x-amz-bucket-region': 'eu-west-3' }],
  ];
  for (const [status, name, rest, headers] of answers) {
    await withServer(
      (_request, response) => {
        response.setHeaders(new Map(Object.entries(headers)));
        fail(response, status, name, rest);
      },
      async (store) => {
        for (const call of [
          async () => store.get('a'),
          async () => store.put('a', Buffer.from('x')),
          async () => store.head('a'),
        ]) {
          // The answer to HEAD has no body: only what the headers say can be known.
          const error = await errorOf(call());
          if (error.code === 'StoreFailed' && status === 400) continue;
          assert.equal(error.code, 'StoreNotFound', error.message);
          assert.match(`${error.hint}`, /region eu-west-3: add \?region=eu-west-3/);
        }
      },
    );
  }
});

test('a clock that is wrong is corrected once by what the server says, for this call and the next ones', async () => {
  const serverMs = Date.now() + 3_600_000;
  const skews: number[] = [];
  await withServer(
    (request, response) => {
      const signed = String(request.headers['x-amz-date']);
      const signedMs = Date.parse(signed.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'));
      skews.push(Math.round((serverMs - signedMs) / 60_000));
      response.setHeader('date', new Date(serverMs).toUTCString());
      if (Math.abs(serverMs - signedMs) > 900_000) fail(response, 403, 'RequestTimeTooSkewed');
      else response.end('x');
    },
    async (store) => {
      assert.equal((await store.get('a')).toString(), 'x');
      assert.equal((await store.get('a')).toString(), 'x');
    },
  );
  assert.deepEqual(skews, [60, 0, 0]);
});

test('a clock that cannot be corrected is reported, after one more try', async () => {
  let requests = 0;
  await withServer(
    (_request, response) => {
      requests++;
      response.setHeader('date', new Date(Date.now() + requests * 3_600_000).toUTCString());
      fail(response, 403, 'RequestTimeTooSkewed');
    },
    async (store) => {
      const error = await errorOf(store.get('a'));
      assert.deepEqual([error.code, error.retryable], ['StoreAccessDenied', false]);
      assert.match(`${error.hint}`, /clock/);
    },
  );
  assert.equal(requests, 2);
});

test('a bucket whose default keeps objects gets the checksum that it wants, from the second request on', async () => {
  const md5s: unknown[] = [];
  await withServer(
    (request, response) => {
      const md5 = request.headers['content-md5'];
      md5s.push(md5);
      request.resume();
      if (md5 !== undefined) response.setHeader('etag', '"1"').end();
      else
        fail(
          response,
          400,
          'InvalidRequest',
          '<Message>Content-MD5 OR x-amz-checksum- HTTP header is required</Message>',
        );
    },
    async (store) => {
      await store.put('a', Buffer.from('x'));
      await store.put('b', Buffer.from('x'));
    },
  );
  const md5 = createHash('md5').update('x').digest('base64');
  assert.deepEqual(md5s, [undefined, md5, md5]);
});

test('a known hash is what the request is signed with', async () => {
  const sha256 = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
  let headers: unknown;
  await withServer(
    async (request, response) => {
      headers = [request.headers['x-amz-content-sha256'], (await bodyOf(request)).toString()];
      response.setHeader('etag', '"1"').end();
    },
    async (store) => {
      await store.put('a', Buffer.from('x'), { sha256 });
    },
  );
  assert.deepEqual(headers, [sha256, 'x']);
});

type OnLookup = (error: null, addresses: readonly dns.LookupAddress[]) => void;

test('the bucket is in the path, or in the name of the host', async () => {
  const seen: string[] = [];
  // A fake resolver: names below localhost are not known to every machine.
  const lookup = mock.method(dns, 'lookup', (_host: string, _options: unknown, answer: OnLookup) => {
    answer(null, [{ address: '127.0.0.1', family: 4 }]);
  });
  for (const style of ['path', 'virtual'] as const) {
    await withServer(
      (request, response) => {
        seen.push(`${request.headers.host?.replace(/:.*/, '')} ${request.url}`);
        response.end('x');
      },
      async (store) => {
        await store.get('a');
      },
      { host: 'localhost', settings: `&style=${style}` },
    );
  }
  lookup.mock.restore();
  assert.deepEqual(seen, ['localhost /bucket/prefix/a?x-id=GetObject', 'bucket.localhost /prefix/a?x-id=GetObject']);
});
