import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { packRanges, type InPack } from './pack-ranges.ts';

const bounds = { gapBytesMax: 10, rangeBytesMax: 100 };
const at = (packId: string, offset: number, length: number): InPack => ({ packId, offset, length });
const shape = (wanted: readonly InPack[]): unknown[] =>
  packRanges(wanted, bounds).map((range) => [range.packId, range.offset, range.length, range.wanted.length]);

test('neighbours in a pack are read together, across a small gap, in any order', () => {
  assert.deepEqual(shape([at('a', 30, 20), at('a', 0, 20)]), [['a', 0, 50, 2]]);
});

test('a gap that costs more than a call is not read', () => {
  assert.deepEqual(shape([at('a', 0, 20), at('a', 31, 20)]), [
    ['a', 0, 20, 1],
    ['a', 31, 20, 1],
  ]);
});

test('a range ends before it gets too large, and a blob that is larger has one of its own', () => {
  assert.deepEqual(shape([at('a', 0, 60), at('a', 60, 60), at('a', 120, 300)]), [
    ['a', 0, 60, 1],
    ['a', 60, 60, 1],
    ['a', 120, 300, 1],
  ]);
});

test('packs come as they are first wanted', () => {
  assert.deepEqual(shape([at('b', 5, 5), at('a', 0, 5), at('b', 0, 5)]), [
    ['b', 0, 10, 2],
    ['a', 0, 5, 1],
  ]);
});

test('every wanted blob lies in exactly one range, whole, also if hostile entries overlap', () => {
  const blob = fc.record({
    packId: fc.constantFrom('a', 'b'),
    offset: fc.nat({ max: 500 }),
    length: fc.integer({ min: 1, max: 120 }),
  });
  fc.assert(
    fc.property(fc.array(blob, { maxLength: 40 }), (wanted) => {
      const ranges = packRanges(wanted, bounds);
      assert.equal(ranges.flatMap((range) => range.wanted).length, wanted.length);
      for (const range of ranges) {
        assert.ok(range.length <= bounds.rangeBytesMax || range.wanted.some(({ length }) => length === range.length));
        for (const { packId, offset, length } of range.wanted) {
          assert.equal(packId, range.packId);
          assert.ok(offset >= range.offset && offset + length <= range.offset + range.length);
        }
      }
    }),
  );
});
