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

/** What every store promises. `open` is called once. `manyKeys` is more than one page of a listing. */
export function storeContract(name: string, open: () => Promise<ContractSubject>, manyKeys = 50): void {
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
    listsAndDeletes(() => store, manyKeys);
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

  test('keeps the object that is there when asked to write only if absent', async () => {
    assert.equal(await of().put('c/one', Buffer.from('first'), { ifAbsent: true }), true);
    assert.equal(await of().put('c/one', Buffer.from('second'), { ifAbsent: true }), false);
    assert.equal((await of().get('c/one')).toString(), 'first');
  });

  test('lets one of many win who write the same key if absent', async () => {
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
      const body = await of().get('f/torn');
      assert.ok(
        versions.some((version) => version.equals(body)),
        `torn: ${body.length} bytes`,
      );
    }
    await writing;
  });
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
