import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choosePacks, parseReadSubset } from './read-subset.ts';

const packs = new Map(
  Array.from({ length: 256 }, (_, index) => [index.toString(16).padStart(2, '0').padEnd(64, '0'), 10]),
);

test('all parts together are all packs, and no pack is in two', () => {
  const read = [1, 2, 3].flatMap((part) => [...choosePacks(packs, parseReadSubset(`${part}/3`), Math.random)]);
  assert.equal(read.length, packs.size);
  assert.equal(new Set(read).size, packs.size);
});

test('a share or a size is read at random, and never nothing', () => {
  assert.equal(choosePacks(packs, parseReadSubset('10%'), Math.random).size, 26);
  assert.equal(choosePacks(packs, parseReadSubset('95'), Math.random).size, 10);
  assert.equal(choosePacks(packs, parseReadSubset('1'), Math.random).size, 1);
  assert.equal(choosePacks(packs, parseReadSubset('100%'), Math.random).size, 256);
});

test('what is no subset is refused by name', () => {
  for (const text of ['0/3', '4/3', '1/257', '0%', 'unlimited', 'some'])
    assert.throws(() => parseReadSubset(text), { code: 'Usage' }, text);
});
