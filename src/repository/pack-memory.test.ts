import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPackMemory, openPackMemory } from './pack-memory.ts';
import { PACK_MEMORY_BYTES } from './pack.ts';

test('memory is given to one at a time, and to the next who waits when it is given back', async () => {
  const memory = createPackMemory(2);
  const first = await memory.take();
  const second = await memory.take();
  assert.notEqual(first.slot, second.slot);
  assert.equal(first.buffer.length, PACK_MEMORY_BYTES);
  assert.equal(memory.tryTake(), undefined);
  const waiting = memory.take();
  memory.release(first.slot);
  assert.equal((await waiting).slot, first.slot);
});

test('who waits gives up when he is told to', async () => {
  const memory = createPackMemory(1);
  await memory.take();
  const giveUp = new AbortController();
  const waiting = memory.take(giveUp.signal);
  giveUp.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});

test('what one thread writes into shared memory the owner reads, also if the owner was at work before', () => {
  const owner = createPackMemory(1);
  const own = owner.tryTake();
  owner.add(1);
  const { shared } = owner;
  const other = openPackMemory(shared);
  const taken = other.tryTake();
  assert.ok(own !== undefined && taken !== undefined);
  assert.equal(other.tryTake(), undefined, 'the slot of the owner was given away');
  taken.buffer.write('sealed');
  assert.equal(Buffer.from(shared.slots[taken.slot] as SharedArrayBuffer, 0, 6).toString(), 'sealed');
  owner.release(own.slot);
  const again = other.takeBlocking();
  assert.equal(again.buffer.buffer, shared.slots[own.slot]);
});
