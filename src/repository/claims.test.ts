import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { CLAIMS_MAX, createClaims, openClaims } from './claims.ts';

const idOf = (text: string): Buffer => hash('sha256', text, 'buffer');

test('a blob is claimed once, by whichever thread comes first, and types do not meet', () => {
  const claims = createClaims();
  const other = openClaims(claims.shared);
  assert.equal(claims.claim('data', idOf('a')), true);
  assert.equal(other.claim('data', idOf('a')), false);
  assert.equal(other.claim('tree', idOf('a')), true);
  assert.equal(claims.has('tree', idOf('a')), true);
  assert.equal(claims.has('data', idOf('b')), false);
  assert.equal(other.used, 2);
});

test('an emptied table has forgotten all of it, and takes it again', () => {
  const claims = createClaims();
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 100; number++)
      assert.equal(claims.claim('data', idOf(`${number}`)), true, `${number} in round ${round}`);
    claims.clear();
    assert.equal(claims.used, 0);
    assert.equal(claims.has('data', idOf('1')), false);
  }
});

test('a full table lets everybody store what is new, and still knows what it has', () => {
  const claims = createClaims();
  const id = Buffer.alloc(32);
  for (let number = 0; number < CLAIMS_MAX; number++) {
    id.writeUInt32LE(number, 4);
    claims.claim('data', id);
  }
  assert.equal(claims.used, CLAIMS_MAX);
  assert.equal(claims.claim('data', idOf('late')), true);
  assert.equal(claims.claim('data', idOf('late')), true);
  assert.equal(claims.claim('data', id), false);
});
