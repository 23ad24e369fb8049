import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from './memory/memory-store.ts';
import { keysOf, storeContract, withCode } from './store.contract.ts';
import { withFaults } from './with-faults.ts';

storeContract('memory, with no faults', async () => ({
  store: withFaults(createMemoryStore(), { faults: [] }),
  dispose: async () => {},
}));

test('the nth call fails, and only of the keys it is meant for', async () => {
  const memory = createMemoryStore();
  const store = withFaults(memory, {
    faults: [{ on: 'put', prefix: 'data/', when: { nth: 2 }, effect: { kind: 'fail' } }],
  });
  await store.put('data/1', Buffer.from('x'));
  await store.put('index/1', Buffer.from('x'));
  await assert.rejects(store.put('data/2', Buffer.from('x')), withCode('StoreUnreachable'));
  await store.put('data/3', Buffer.from('x'));
  assert.deepEqual([...memory.objects.keys()], ['data/1', 'index/1', 'data/3']);
  assert.deepEqual(store.struck, ['put data/2 fail']);
});

test('an answer that is lost is one of a call that was made', async () => {
  const memory = createMemoryStore();
  const store = withFaults(memory, { faults: [{ on: 'put', when: { nth: 1 }, effect: { kind: 'lose-answer' } }] });
  await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreUnreachable'));
  assert.ok(memory.objects.has('a'));
});

test('what is cut off or damaged is so without a word', async () => {
  const memory = createMemoryStore();
  const store = withFaults(memory, {
    faults: [
      { on: 'put', when: { nth: 1 }, effect: { kind: 'truncate' } },
      { on: 'get', when: { nth: 1 }, effect: { kind: 'corrupt' } },
    ],
  });
  await store.put('a', Buffer.from('0123456789'), { sha256: 'of the whole' });
  assert.equal(memory.objects.get('a')?.toString(), '01234');
  const damaged = await store.get('a');
  const bits = [...damaged].map((byte, index) => (byte ^ (memory.objects.get('a')?.[index] ?? 0)).toString(2));
  assert.equal(bits.join('').replaceAll('0', ''), '1');
});

test('a call that hangs ends when the caller gives up', async () => {
  const store = withFaults(createMemoryStore(), {
    faults: [{ on: 'get', when: { nth: 1 }, effect: { kind: 'hang' } }],
  });
  const abort = new AbortController();
  const reading = store.get('a', { signal: abort.signal });
  abort.abort();
  await assert.rejects(reading, { name: 'AbortError' });
});

test('a listing fails in its middle', async () => {
  const memory = createMemoryStore();
  for (const key of ['a', 'b', 'c', 'd']) await memory.put(key, Buffer.from('x'));
  const store = withFaults(memory, { faults: [{ on: 'list', when: { nth: 1 }, effect: { kind: 'fail' } }] });
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const { key } of store.list('')) seen.push(key);
  }, withCode('StoreUnreachable'));
  assert.deepEqual(seen, ['a', 'b']);
  assert.equal((await keysOf(store, '')).length, 4);
});

test('the same seed gives the same faults, another one others', async () => {
  const run = async (seed: number): Promise<readonly string[]> => {
    const store = withFaults(createMemoryStore(), {
      seed,
      faults: [{ on: 'put', when: { chance: 0.3 }, effect: { kind: 'fail' } }],
    });
    for (let index = 0; index < 40; index++) {
      await store.put(`k/${index}`, Buffer.from('x')).catch(withCode('StoreUnreachable'));
    }
    return store.struck;
  };
  const first = await run(1);
  assert.ok(first.length > 4 && first.length < 24, String(first.length));
  assert.deepEqual(await run(1), first);
  assert.notDeepEqual(await run(2), first);
});
