import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelValue, objectName } from './names.ts';

test('short names stay as they are', () => {
  assert.equal(objectName('shop-20261123-194501', 'uploads'), 'shop-20261123-194501-uploads');
});

test('long and odd names stay valid, and different', () => {
  const one = objectName('a'.repeat(60), 'x');
  const two = objectName('a'.repeat(60), 'y');
  assert.notEqual(one, two);
  for (const name of [one, two, objectName('data.with.dots', 'UPPER')])
    assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
});

test('names that differ only in what is not allowed stay different', () => {
  assert.notEqual(objectName('a.b'), objectName('a-b'));
});

test('label values fit in 63 characters', () => {
  assert.equal(labelValue('data-orders-0'), 'data-orders-0');
  assert.ok(labelValue('x'.repeat(200)).length <= 63);
});
