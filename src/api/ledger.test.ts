import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assetResult, ledgerResult } from './ledger.ts';
import type { LedgerAsset } from './ledger.ts';

const ten = { items: 10, bytes: 100 };
const asset = (name: string, result: LedgerAsset['result']): LedgerAsset => ({
  name,
  kind: 'volume',
  method: 'volume-files',
  captured: ten,
  storedBytes: 0,
  result,
  issues: [],
  issuesTotal: 0,
});

test('an asset is captured only if it is equal to what was planned', () => {
  assert.equal(assetResult(ten, ten, 'hash', 0), 'Captured');
  assert.equal(assetResult(ten, { items: 9, bytes: 100 }, 'hash', 0), 'Short');
  assert.equal(assetResult(ten, { items: 10, bytes: 99 }, 'hash', 0), 'Short');
  assert.equal(assetResult(ten, { items: 11, bytes: 100 }, 'hash', 0), 'Short', 'more than planned was not planned');
  assert.equal(assetResult(ten, ten, 'hash', 1), 'Short', 'an issue makes it short even if the counts agree');
});

test('an asset of which nothing is known is missing', () => {
  assert.equal(assetResult(undefined, ten, 'hash', 0), 'Missing');
  assert.equal(assetResult(ten, ten, undefined, 0), 'Missing');
});

test('a ledger is complete only if every planned asset is in it and captured', () => {
  assert.equal(ledgerResult(['a', 'b'], [asset('a', 'Captured'), asset('b', 'Captured')]), 'Complete');
  assert.equal(ledgerResult(['a', 'b'], [asset('a', 'Captured'), asset('b', 'Short')]), 'Partial');
  assert.equal(ledgerResult(['a', 'b'], [asset('a', 'Captured')]), 'Partial');
  assert.equal(ledgerResult(['a', 'b'], [asset('a', 'Captured'), asset('a', 'Captured')]), 'Partial');
  assert.equal(ledgerResult([], []), 'Partial', 'a backup of nothing protects nothing');
});
