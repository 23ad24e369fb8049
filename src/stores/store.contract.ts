import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';
import type { Store } from './store.ts';

/** How the contract gets a fresh, empty store, and what to do when it is no longer needed. */
export interface ContractSubject {
  readonly store: Store;
  readonly dispose: () => Promise<void>;
}

/** Matches an error with this code, for `assert.rejects`. */
export function withCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SalvorError, `not a SalvorError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** All keys below a prefix, sorted. */
export async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const info of store.list(prefix)) keys.push(info.key);
  return keys.sort();
}

/** What a store may not offer. */
export type Capability = 'object lock' | 'one winner of a race';

export interface ContractOptions {
  /** More than one page of a listing. */
  readonly manyKeys?: number;
  /** A stream that does not fit what the store takes in one request; default 3 MB. */
  readonly largeBytes?: number;
  /** What this store does not offer, and why. */
  readonly lacks?: Partial<Record<Capability, string>>;
}

/** What every store promises. `open` is called once. */
export function storeContract(name: string, open: () => Promise<ContractSubject>, options: ContractOptions = {}): void {
  const { manyKeys = 50, largeBytes = 3_000_001, lacks = {} } = options;
  describe(`the store on ${name}`, () => {
    let subject: ContractSubject;
    let store: Store;
    before(async () => {
      subject = await open();
      store = subject.store;
    });
    after(async () => {
      await subject?.store.close();
      await subject?.dispose();
    });

    readsAndWrites(() => store);
    conditions(() => store, lacks);
    streams(() => store, largeBytes);
    listsAndDeletes(() => store, manyKeys);
    locks(() => store, { lacks, largeBytes });
    refuses(() => store);
  });
}

function readsAndWrites(of: () => Store): void {
  test('is empty at first', async () => {
    assert.deepEqual(await keysOf(of(), ''), []);
    assert.equal(await of().head('nothing/here'), undefined);
  });

  test('gives back what was put, also of many megabytes and of none', async () => {
    const large = Buffer.alloc(5 * 1024 * 1024 + 3, 'large');
    for (const [key, body] of [
      ['a/large', large],
      ['a/empty', Buffer.alloc(0)],
      ['a/small', Buffer.from([0, 1, 255])],
    ] as const) {
      assert.equal(await of().put(key, body), true);
      assert.ok((await of().get(key)).equals(body), key);
      assert.equal((await of().head(key))?.size, body.length);
    }
  });

  test('replaces an object as a whole', async () => {
    await of().put('b/one', Buffer.from('a long first version'));
    assert.equal(await of().put('b/one', Buffer.from('second')), true);
    assert.equal((await of().get('b/one')).toString(), 'second');
  });

  test('reads ranges', async () => {
    await of().put('d/range', Buffer.from('0123456789'));
    const read = async (offset?: number, length?: number): Promise<string> =>
      (
        await of().get('d/range', {
          ...(offset === undefined ? {} : { offset }),
          ...(length === undefined ? {} : { length }),
        })
      ).toString();
    assert.equal(await read(2, 3), '234');
    assert.equal(await read(7), '789');
    assert.equal(await read(undefined, 2), '01');
    assert.equal(await read(0, 10), '0123456789');
    assert.equal(await read(4, 0), '');
    assert.equal(await read(10), '');
  });

  test('says StoreCorrupt when a range reaches past the end', async () => {
    await of().put('d/short', Buffer.from('0123456789'));
    await assert.rejects(of().get('d/short', { offset: 8, length: 3 }), withCode('StoreCorrupt'));
    await assert.rejects(of().get('d/short', { offset: 20, length: 1 }), withCode('StoreCorrupt'));
  });

  test('does not notice when the caller reuses the buffer afterwards', async () => {
    const body = Buffer.from('before');
    await of().put('e/reuse', body);
    body.fill('x');
    assert.equal((await of().get('e/reuse')).toString(), 'before');
  });

  test('shows no torn object to a reader while it is replaced', async () => {
    const versions = ['1', '2', '3'].map((digit) => Buffer.alloc(300_000, digit));
    await of().put('f/torn', versions[0]!);
    const writing = (async () => {
      for (let round = 0; round < 10; round++) await of().put('f/torn', versions[round % 3]!);
    })();
    for (let round = 0; round < 10; round++) {
      const body = await getWhole(of(), 'f/torn');
      assert.ok(
        versions.some((version) => version.equals(body)),
        `torn: ${body.length} bytes`,
      );
    }
    await writing;
  });
}

/** Attempts that a reader needs at most while an object is replaced again and again. */
const READS_MAX = 10;

/** A server that replaces in place (rclone) breaks off a reader it overtakes: that is told as retryable, and is not torn. */
async function getWhole(store: Store, key: string): Promise<Buffer> {
  for (let reads = 1; ; reads++) {
    try {
      return await store.get(key);
    } catch (error) {
      if (!(error instanceof SalvorError) || !error.retryable || reads >= READS_MAX) throw error;
    }
  }
}

function conditions(of: () => Store, lacks: NonNullable<ContractOptions['lacks']>): void {
  test('keeps the object that is there when asked to write only if absent', async () => {
    assert.equal(await of().put('c/one', Buffer.from('first'), { ifAbsent: true }), true);
    assert.equal(await of().put('c/one', Buffer.from('second'), { ifAbsent: true }), false);
    assert.equal((await of().get('c/one')).toString(), 'first');
  });

  test('lets one of many win who write the same key if absent', skipIf(lacks['one winner of a race']), async () => {
    const bodies = Array.from({ length: 8 }, (_, index) => Buffer.from(`writer ${index}`));
    const results = await Promise.allSettled(bodies.map(async (body) => of().put('c/race', body, { ifAbsent: true })));
    // A loser may be told to try again instead (S3's 409); it must not be told that it won.
    const won = bodies.filter((_, index) => {
      const result = results[index]!;
      if (result.status === 'rejected') assert.ok((result.reason as SalvorError).retryable, String(result.reason));
      return result.status === 'fulfilled' && result.value;
    });
    assert.equal(won.length, 1);
    assert.ok((await of().get('c/race')).equals(won[0]!));
  });
}

/** A body of this many bytes in pieces, as a stream that can be read once. */
async function* pieces(bytes: number): AsyncGenerator<Uint8Array> {
  const body = bodyOf(bytes);
  for (let start = 0; start < bytes; start += PIECE_BYTES) yield body.subarray(start, start + PIECE_BYTES);
}

/** No divisor of any store's own unit. */
const PIECE_BYTES = 1_000_000;

/** Bytes that differ everywhere, so that pieces in the wrong order show. */
function bodyOf(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4096) body.writeUInt32LE(at, at);
  return body;
}

function streams(of: () => Store, largeBytes: number): void {
  test('takes a stream, whether or not its length is known', async () => {
    for (const [key, bytes, length] of [
      ['s/empty', 0, undefined],
      ['s/small', 10_000, 10_000],
      ['s/unknown', largeBytes, undefined],
      ['s/known', largeBytes, largeBytes],
    ] as const) {
      assert.equal(await of().put(key, pieces(bytes), length === undefined ? {} : { length }), true);
      assert.ok((await of().get(key)).equals(bodyOf(bytes)), key);
    }
  });

  test('keeps the object that is there when a stream is to be written only if absent', async () => {
    await of().put('s/there', Buffer.from('first'));
    assert.equal(await of().put('s/there', pieces(10), { ifAbsent: true }), false);
    assert.equal((await of().get('s/there')).toString(), 'first');
    assert.equal(await of().put('s/new', pieces(10), { ifAbsent: true }), true);
  });

  test('writes nothing of a stream that is not as long as announced, or that fails', async () => {
    await of().put('s/old', Buffer.from('old'));
    for (const key of ['s/old', 's/never']) {
      await assert.rejects(of().put(key, pieces(10), { length: 11 }), withCode('InvalidInput'));
      await assert.rejects(of().put(key, pieces(10), { length: 9 }), withCode('InvalidInput'));
      await assert.rejects(of().put(key, breaking(largeBytes)), withCode('SourceUnreadable'));
    }
    assert.equal((await of().get('s/old')).toString(), 'old');
    assert.equal(await of().head('s/never'), undefined);
  });

  test('closes a stream that it does not read to its end', async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(largeBytes);
      } finally {
        isClosed = true;
      }
    }
    await assert.rejects(of().put('s/closed', source(), { length: 1 }), withCode('InvalidInput'));
    assert.ok(isClosed);
  });

  test('gives up a stream that hangs when the caller does', async () => {
    for (const givenBytes of [0, largeBytes]) {
      const abort = new AbortController();
      const writing = of().put(
        's/hanging',
        hanging(givenBytes, () => abort.abort()),
        { signal: abort.signal },
      );
      await assert.rejects(writing, { name: 'AbortError' });
    }
    assert.equal(await of().head('s/hanging'), undefined);
  });
}

async function* breaking(bytes: number): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes);
  throw new Error('the source broke');
}

async function* hanging(bytes: number, onHang: () => void): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes);
  setImmediate(onHang);
  await new Promise(() => {});
}

function locks(of: () => Store, { lacks, largeBytes }: Required<Pick<ContractOptions, 'lacks' | 'largeBytes'>>): void {
  const untilMs = Math.ceil(Date.now() / 1000) * 1000 + 3_600_000;
  const lacking = lacks['object lock'];

  test('refuses a retention that it cannot keep', skipIf(lacking === undefined && 'it can'), async () => {
    const retention = { mode: 'governance', untilMs } as const;
    await assert.rejects(of().put('k/unkept', Buffer.from('x'), { retention }), withCode('InvalidInput'));
    await of().put('k/free', Buffer.from('x'));
    const lock = of().objectLock;
    if (lock !== undefined) await assert.rejects(lock.extendRetention('k/free', retention), withCode('InvalidInput'));
  });

  test(
    'keeps an object until the moment given with it, and extends that, and never shortens it',
    skipIf(lacking),
    async () => {
      const lock = of().objectLock!;
      const retention = { mode: 'governance', untilMs } as const;
      await of().put('k/one', Buffer.from('x'), { retention });
      assert.deepEqual(await lock.retentionOf('k/one'), retention);
      const later = { mode: 'governance', untilMs: untilMs + 60_000 } as const;
      await lock.extendRetention('k/one', later);
      assert.deepEqual(await lock.retentionOf('k/one'), later);
      await lock.extendRetention('k/one', retention);
      assert.deepEqual(await lock.retentionOf('k/one'), later);
    },
  );

  test('locks a stream, and an object that was written without', skipIf(lacking), async () => {
    const lock = of().objectLock!;
    const retention = { mode: 'compliance', untilMs } as const;
    await of().put('k/stream', pieces(largeBytes), { retention });
    assert.deepEqual(await lock.retentionOf('k/stream'), retention);
    await of().put('k/later', Buffer.from('x'));
    assert.equal(await lock.retentionOf('k/later'), undefined);
    await lock.extendRetention('k/later', retention);
    assert.deepEqual(await lock.retentionOf('k/later'), retention);
    await assert.rejects(lock.extendRetention('k/nothing', retention), withCode('StoreObjectMissing'));
    await assert.rejects(lock.retentionOf('k/nothing'), withCode('StoreObjectMissing'));
  });
}

/** A skip has a reason. */
function skipIf(reason: string | false | undefined): { skip: string | false } {
  return { skip: reason ?? false };
}

function listsAndDeletes(of: () => Store, manyKeys: number): void {
  test('lists what starts with a prefix, also in the middle of a name', async () => {
    for (const key of ['l/aa/1', 'l/aa/2', 'l/ab/3', 'l/b', 'lonely']) await of().put(key, Buffer.from(key));
    assert.deepEqual(await keysOf(of(), 'l/'), ['l/aa/1', 'l/aa/2', 'l/ab/3', 'l/b']);
    assert.deepEqual(await keysOf(of(), 'l/a'), ['l/aa/1', 'l/aa/2', 'l/ab/3']);
    assert.deepEqual(await keysOf(of(), 'l/aa/2'), ['l/aa/2']);
    assert.deepEqual(await keysOf(of(), 'nowhere/'), []);
    for await (const info of of().list('l/aa/1')) assert.equal(info.size, 6);
  });

  test('lists more than one page', async () => {
    const keys = Array.from({ length: manyKeys }, (_, index) => `m/${String(index).padStart(5, '0')}`);
    for (let start = 0; start < keys.length; start += 20) {
      await Promise.all(keys.slice(start, start + 20).map(async (key) => of().put(key, Buffer.from('x'))));
    }
    assert.deepEqual(await keysOf(of(), 'm/'), keys);
  });

  test('deletes, and does not mind what is not there', async () => {
    await of().put('n/one', Buffer.from('x'));
    await of().delete('n/one');
    assert.equal(await of().head('n/one'), undefined);
    assert.deepEqual(await keysOf(of(), 'n/'), []);
    await of().delete('n/one');
    await of().delete('n/never');
  });
}

function refuses(of: () => Store): void {
  test('says StoreObjectMissing when there is nothing to read', async () => {
    await assert.rejects(of().get('nothing/here'), withCode('StoreObjectMissing'));
    await assert.rejects(of().get('nothing/here', { offset: 1, length: 0 }), withCode('StoreObjectMissing'));
  });

  test('refuses keys that are not keys', async () => {
    for (const key of [
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      'a/./b',
      'a b',
      'ä',
      'a\\b',
      'a\0b',
      'x'.repeat(600),
    ]) {
      await assert.rejects(of().put(key, Buffer.from('x')), withCode('InvalidInput'), key);
      await assert.rejects(of().get(key), withCode('InvalidInput'), key);
      await assert.rejects(of().head(key), withCode('InvalidInput'), key);
      await assert.rejects(of().delete(key), withCode('InvalidInput'), key);
    }
    await assert.rejects(keysOf(of(), '../'), withCode('InvalidInput'));
  });

  test('refuses ranges that are not ranges', async () => {
    await of().put('o/one', Buffer.from('x'));
    for (const range of [{ offset: -1 }, { offset: 0.5 }, { length: -1 }, { length: Number.NaN }]) {
      await assert.rejects(of().get('o/one', range), withCode('InvalidInput'));
    }
  });

  test('does nothing once the signal is aborted', async () => {
    const signal = AbortSignal.abort(new DOMException('stop', 'AbortError'));
    await of().put('p/one', Buffer.from('x'));
    await assert.rejects(of().put('p/two', Buffer.from('x'), { signal }), { name: 'AbortError' });
    await assert.rejects(of().get('p/one', { signal }), { name: 'AbortError' });
    await assert.rejects(of().head('p/one', { signal }), { name: 'AbortError' });
    await assert.rejects(of().delete('p/one', { signal }), { name: 'AbortError' });
    await assert.rejects(Array.fromAsync(of().list('p/', { signal })), { name: 'AbortError' });
    assert.deepEqual(await keysOf(of(), 'p/'), ['p/one']);
  });
}
