import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { degree, isIrreducible, randomPolynomial } from './polynomial.ts';

test('small polynomials are judged as counting their divisors does', () => {
  const product = (left: number, right: number): number => {
    let sum = 0;
    for (let bit = 0; right >> bit > 0; bit++) if (((right >> bit) & 1) === 1) sum ^= left << bit;
    return sum;
  };
  const reducible = new Set<number>();
  for (let left = 2; left < 64; left++) for (let right = 2; right < 64; right++) reducible.add(product(left, right));
  for (let value = 2; value < 64; value++)
    assert.equal(isIrreducible(BigInt(value)), !reducible.has(value), value.toString(2));
});

test('the polynomial of restic’s own tests is irreducible, its neighbour is not', () => {
  assert.equal(isIrreducible(0x3da3358b4dc173n), true);
  assert.equal(isIrreducible(0x3da3358b4dc173n ^ 2n), false);
  assert.equal(isIrreducible(0n), false);
  assert.equal(isIrreducible(1n), false);
});

test('random polynomials are irreducible, of degree 53, and differ', () => {
  const drawn = Array.from({ length: 5 }, () => randomPolynomial(randomBytes));
  for (const polynomial of drawn) {
    assert.equal(degree(polynomial), 53);
    assert.ok(isIrreducible(polynomial));
  }
  assert.equal(new Set(drawn).size, 5);
});

test('a random source that is stuck is noticed', () => {
  assert.throws(() => randomPolynomial((count) => Buffer.alloc(count)), /random source/);
});
