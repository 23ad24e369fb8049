import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobId } from '../ids.ts';
import { createIdSet } from './id-set.ts';

test('thousands of ids are held, taken once, and put back', () => {
  const ids = Array.from({ length: 5000 }, (_, index) => blobId(Buffer.from(`${index}`)));
  const [others, own] = [ids.slice(0, 1000), ids.slice(1000)];
  const set = createIdSet();
  for (const id of own) assert.equal(set.add(id), true);
  for (const id of own) assert.equal(set.add(id), false);
  assert.equal(set.size, own.length);
  assert.ok(own.every((id) => set.has(id)) && !others.some((id) => set.has(id) || set.take(id)));
  assert.equal(set.take(own[0]!), true);
  assert.deepEqual([set.take(own[0]!), set.has(own[0]!), set.size], [false, false, own.length - 1]);
  set.restore();
  assert.deepEqual([set.has(own[0]!), set.size], [true, own.length]);
});
