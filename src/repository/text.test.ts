import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import { jsonString, jsonStringOfBytes, quote, unquote } from './go-text.ts';
import { formatTimeNs, parseTimeNs } from './rfc3339.ts';

test('names are escaped as strconv.Quote does', () => {
  for (const [bytes, quoted] of [
    ['plain-1.txt', 'plain-1.txt'],
    ['größe 大 🙂', 'größe 大 🙂'],
    ['say "hi"\\', 'say \\"hi\\"\\\\'],
    ['\x07\b\f\n\r\t\v', '\\a\\b\\f\\n\\r\\t\\v'],
    ['\x00\x01\x1f\x7f', '\\x00\\x01\\x1f\\x7f'],
    ['\u00a0\u200b\u2028\ufeff', '\\u00a0\\u200b\\u2028\\ufeff'],
    ['\u{e0001}\u{10ffff}', '\\U000e0001\\U0010ffff'],
    ['\ufffd', '\ufffd'],
    [Buffer.from('66ff22c3bc', 'hex'), 'f\\xff\\"ü'],
    [Buffer.from('c328', 'hex'), '\\xc3('],
    [Buffer.from('eda080', 'hex'), '\\xed\\xa0\\x80'],
    [Buffer.from('f09f98', 'hex'), '\\xf0\\x9f\\x98'],
    [Buffer.from('c0af', 'hex'), '\\xc0\\xaf'],
  ] as const) {
    assert.equal(quote(Buffer.from(bytes)), quoted);
    assert.deepEqual(unquote(quoted), Buffer.from(bytes));
  }
});

test('any bytes survive quoting', () => {
  const tricky = fc.oneof(
    fc.uint8Array(),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  );
  fc.assert(fc.property(tricky, (bytes) => assert.deepEqual(unquote(quote(Buffer.from(bytes))), Buffer.from(bytes))));
});

test('text that is not quoted is refused, never misread', () => {
  for (const text of ['a"b', '\\', '\\q', '\\x1', '\\u12', '\\ud800', '\\U00110000', '\\400', "\\'"]) {
    assert.throws(() => unquote(text), { code: 'RepositoryCorrupt' }, text);
  }
  assert.deepEqual(unquote('\\101\\u0041'), Buffer.from('AA'));
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\\', '"', 'x', 'u', 'U', '0', '4', 'f', 'a') }), (text) => {
      try {
        unquote(text);
      } catch (error) {
        assert.ok(error instanceof SalvorError, String(error));
      }
    }),
  );
});

test('JSON strings are escaped as encoding/json does', () => {
  assert.equal(jsonString('<a href="x">&\u2028'), '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u2028"');
  assert.equal(jsonString('\x00\n\x7f'), '"\\u0000\\n\x7f"');
  assert.equal(jsonStringOfBytes(Buffer.from('61ff3cc3bc', 'hex')), '"a\\ufffd\\u003cü"');
});

test('times are written as RFC3339Nano', () => {
  for (const [ns, text] of [
    [0n, '1970-01-01T00:00:00Z'],
    [1_700_000_000_123_456_789n, '2023-11-14T22:13:20.123456789Z'],
    [1_700_000_000_120_000_000n, '2023-11-14T22:13:20.12Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [-62_135_596_800_000_000_000n, '0001-01-01T00:00:00Z'],
  ] as const) {
    assert.equal(formatTimeNs(ns), text);
    assert.equal(parseTimeNs(text, 'time'), ns);
  }
  assert.equal(parseTimeNs('2023-11-14T23:13:20.5+01:00', 'time'), parseTimeNs('2023-11-14T22:13:20.5Z', 'time'));
  assert.equal(formatTimeNs(10n ** 21n).slice(0, 4), '9999');
  assert.equal(formatTimeNs(-(10n ** 21n)).slice(0, 4), '0000');
  assert.doesNotThrow(() => formatTimeNs(2n ** 80n));
});

test('any moment of the years 0 to 9999 survives, and what is no time is refused', () => {
  const ns = fc.bigInt({ min: -62_167_219_200_000_000_000n, max: 253_402_300_799_999_999_999n });
  fc.assert(fc.property(ns, (value) => assert.equal(parseTimeNs(formatTimeNs(value), 'time'), value)));
  for (const text of [
    '',
    'now',
    '2023-13-01T00:00:00Z',
    '2023-02-30T00:00:00Z',
    '2023-01-01T24:00:00Z',
    '2023-01-01 00:00:00Z',
  ]) {
    assert.throws(() => parseTimeNs(text, 'time'), { code: 'RepositoryCorrupt' }, text);
  }
});
