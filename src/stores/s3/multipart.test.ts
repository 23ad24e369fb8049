import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { withCode } from '../store.contract.ts';
import { bodyOf, fail, withServer } from './scripted-server.fixture.ts';
import type { Answer } from './scripted-server.fixture.ts';

/** A part and a bit. */
const BYTES = 17 * 1024 * 1024;

async function* stream(bytes = BYTES): AsyncGenerator<Buffer> {
  const piece = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
}

interface Upload {
  /** Bytes by number of part. */
  readonly parts: Map<number, number>;
  /** `begin`, `part 1`, `finish`, `abandon`, in the order in which they came. */
  readonly requests: string[];
}

/** May answer a request, on its nth coming: instead of what the server would do, or after it did it. */
type Fault = (request: string, count: number, response: ServerResponse) => 'instead' | 'after' | undefined;

/** A fake of the server's side of an upload in parts. */
function uploadServer(fault: Fault): Upload & { readonly answer: Answer } {
  const parts = new Map<number, number>();
  const requests: string[] = [];
  let finished = false;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const query = new URL(`http://host${request.url}`).searchParams;
    const part = query.get('partNumber');
    const name = nameOf(request, query, part);
    const body = await bodyOf(request).catch(() => undefined);
    // The client broke off: there is nobody to answer.
    if (body === undefined) return undefined;
    requests.push(name);
    if (name === 'finish' && finished) return fail(response, 404, 'NoSuchUpload');
    const struck = fault(name, requests.filter((other) => other === name).length, response);
    if (struck === 'instead') return undefined;
    if (name === 'finish') finished = true;
    if (struck === 'after') return undefined;
    if (part !== null) parts.set(Number(part), body.length);
    response.setHeader('etag', `"${name}"`);
    if (name === 'head')
      response.setHeader(
        'content-length',
        [...parts.values()].reduce((sum, size) => sum + size, 0),
      );
    response.end(
      name === 'begin'
        ? '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'
        : '<CompleteMultipartUploadResult><ETag>"all"</ETag></CompleteMultipartUploadResult>',
    );
    return undefined;
  };
  return { parts, requests, answer };
}

function nameOf(request: IncomingMessage, query: URLSearchParams, part: string | null): string {
  if (request.method === 'HEAD') return 'head';
  if (request.method === 'DELETE') return 'abandon';
  if (query.has('uploads')) return 'begin';
  return part === null ? 'finish' : `part ${part}`;
}

test('a stream goes in parts of 16 MiB, and only what is left in the last', async () => {
  const server = uploadServer(() => undefined);
  await withServer(server.answer, async (store) => {
    assert.equal(await store.put('a', stream(33 * 1024 * 1024)), true);
  });
  assert.deepEqual(
    [...server.parts].toSorted(([one], [other]) => one - other),
    [
      [1, 16 * 1024 * 1024],
      [2, 16 * 1024 * 1024],
      [3, 1024 * 1024],
    ],
  );
  assert.equal(server.requests.at(-1), 'finish');
});

test('a part that fails for a while is sent again, and no other', async () => {
  const server = uploadServer((request, count, response) => {
    if (request !== 'part 2' || count > 2) return undefined;
    fail(response, 503, 'SlowDown');
    return 'instead';
  });
  await withServer(server.answer, async (store) => {
    assert.equal(await store.put('a', stream()), true);
  });
  assert.deepEqual(server.requests.toSorted(), ['begin', 'finish', 'part 1', 'part 2', 'part 2', 'part 2']);
});

test('a short stream goes in one request, which is made again like a part', async () => {
  const bodies: number[] = [];
  await withServer(
    async (request, response) => {
      bodies.push((await bodyOf(request)).length);
      if (bodies.length < 3) fail(response, 503, 'SlowDown');
      else response.setHeader('etag', '"1"').end();
    },
    async (store) => {
      assert.equal(await store.put('a', stream(1024 * 1024)), true);
    },
  );
  assert.deepEqual(bodies, [1024 * 1024, 1024 * 1024, 1024 * 1024]);
});

test('an upload that fails for good is abandoned: no parts are left behind, and its source is closed', async () => {
  const server = uploadServer((request, _count, response) => {
    if (request !== 'part 2') return undefined;
    fail(response, 403, 'AccessDenied');
    return 'instead';
  });
  let isClosed = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield* stream();
    } finally {
      isClosed = true;
    }
  }
  await withServer(server.answer, async (store) => {
    await assert.rejects(store.put('a', source()), withCode('StoreAccessDenied'));
  });
  assert.ok(isClosed);
  assert.equal(server.requests.at(-1), 'abandon');
  assert.ok(!server.requests.includes('finish'));
});

test('a failure ends an upload whose source hangs, too', async () => {
  const server = uploadServer((request, _count, response) => {
    if (request !== 'part 1') return undefined;
    fail(response, 403, 'AccessDenied');
    return 'instead';
  });
  async function* hanging(): AsyncGenerator<Buffer> {
    yield* stream(33 * 1024 * 1024);
    await new Promise(() => {});
  }
  await withServer(server.answer, async (store) => {
    await assert.rejects(store.put('a', hanging()), withCode('StoreAccessDenied'));
  });
});

test('an upload whose last answer was lost is recognised as done', async () => {
  const server = uploadServer((request, count, response) => {
    if (request !== 'finish' || count > 1) return undefined;
    response.destroy();
    return 'after';
  });
  await withServer(server.answer, async (store) => {
    assert.equal(await store.put('a', stream()), true);
  });
  assert.deepEqual(server.requests.slice(-3), ['finish', 'finish', 'head']);
});

test('an error in an answer that began with success is an error, and tried again if that may help', async () => {
  for (const [code, requests] of [
    ['InternalError', ['finish', 'finish']],
    ['EntityTooLarge', ['finish', 'abandon']],
  ] as const) {
    const server = uploadServer((request, count, response) => {
      if (request !== 'finish' || count > 1) return undefined;
      response.end(`<Error><Code>${code}</Code></Error>`);
      return 'instead';
    });
    await withServer(server.answer, async (store) => {
      const writing = store.put('a', stream());
      await (code === 'InternalError' ? writing : assert.rejects(writing, withCode('StoreFull')));
    });
    assert.deepEqual(server.requests.slice(-2), requests);
  }
});
