import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseByteCount, parseSizeLimit } from './size-limit.ts';

test('sizes are read as restic reads them, in binary units', () => {
  assert.equal(parseByteCount('500'), 500);
  assert.equal(parseByteCount('2K'), 2048);
  assert.equal(parseByteCount('1.5 GiB'), 1.5 * 2 ** 30);
  assert.deepEqual(parseSizeLimit('10MB'), { kind: 'bytes', bytes: 10 * 2 ** 20 });
  assert.deepEqual(parseSizeLimit('5%'), { kind: 'percent', percent: 5 });
  assert.deepEqual(parseSizeLimit('unlimited'), { kind: 'unlimited' });
});

test('what is no size is refused', () => {
  for (const text of ['', '-1', '5x', '101%', 'NaN', '1e9', '%']) {
    assert.throws(() => parseSizeLimit(text), { code: 'Usage' }, text);
    assert.throws(() => parseByteCount(text), { code: 'Usage' }, text);
  }
});
