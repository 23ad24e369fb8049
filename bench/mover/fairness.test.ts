import assert from 'node:assert/strict';
import { test } from 'node:test';
import { staysIn } from './fairness.ts';

const took = (durableSeconds: number) => [{ durableSeconds }];
const runs = new Map([
  ['salvor', took(2)],
  ['rustic', took(10)],
  ['restic', took(26)],
  ['kopia-b', took(14)],
  ['kopia-z', took(16)],
  ['restic-t', []],
]);

test('a peer that was more than half slower than the fastest peer is not run again', () => {
  assert.equal(staysIn('kopia-z', runs, []), false);
  assert.equal(staysIn('kopia-b', runs, []), true);
});

test('whom a goal names is always run again, and so are we', () => {
  assert.equal(staysIn('restic', runs, ['restic']), true);
  assert.equal(staysIn('restic', runs, []), false);
  assert.equal(staysIn('salvor', new Map([...runs, ['salvor', took(99)]]), []), true);
});

test('how fast we are does not decide who is a rival', () => {
  assert.equal(staysIn('rustic', runs, []), true);
});

test('who was not run yet has its run', () => {
  assert.equal(staysIn('restic-t', runs, []), true);
});
