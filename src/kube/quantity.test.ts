import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuantity } from './quantity.ts';

test('quantities are read as Kubernetes writes them', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['1Gi', 2 ** 30],
    ['500M', 5e8],
    ['1e9', 1e9],
    ['1.5Ki', 1536],
    ['100m', 1],
    ['12', 12],
  ];
  for (const [text, bytes] of cases) assert.equal(parseQuantity(text), bytes, text);
});

test('what is not a quantity is zero', () => {
  for (const text of ['', 'x', '1Qi', '-5Gi']) assert.equal(parseQuantity(text), 0, text);
});
