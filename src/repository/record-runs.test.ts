import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createRunWriter, groupOf, readParts } from './record-runs.ts';
import type { KeyedRecords, Run } from './record-runs.ts';

/** Records of two words: the key, and a value. */
type Pair = readonly [key: number, value: number];

const pair: fc.Arbitrary<Pair> = fc.tuple(
  fc.oneof(fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1)),
  fc.nat({ max: 5 }),
);

function keyed(pairs: readonly Pair[]): KeyedRecords {
  const words = Uint32Array.from(pairs.flat());
  return { words, width: 2, count: pairs.length, keys: Uint32Array.from(pairs.map(([key]) => key)) };
}

function writeRun(pairs: readonly Pair[], isSame?: (words: Uint32Array, left: number, right: number) => boolean): Run {
  const options = { folder: tmpdir(), width: 2, count: pairs.length };
  const writer = createRunWriter(isSame === undefined ? options : { ...options, isSame });
  writer.append(keyed(pairs));
  return writer.finish();
}

function pairsOf(words: Uint32Array): Pair[] {
  return Array.from({ length: words.length / 2 }, (_, row) => [words[row * 2]!, words[row * 2 + 1]!]);
}

const byGroup = (pairs: readonly Pair[], bits: number): Pair[] =>
  pairs.toSorted(([left], [right]) => groupOf(left, bits) - groupOf(right, bits));

test('runs are read in parts of ascending keys, that which was written first before the later', () => {
  fc.assert(
    fc.property(fc.array(fc.array(pair, { maxLength: 40 }), { minLength: 1, maxLength: 5 }), (lists) => {
      const runs = lists.map((pairs) => writeRun(pairs));
      try {
        const partBytes = 64;
        const parts = Array.from(readParts(runs, partBytes), ({ words }) => pairsOf(words));
        const bits = Math.log2(parts.length);
        assert.deepEqual(
          byGroup(parts.flat(), 10),
          byGroup(
            lists.flatMap((pairs) => byGroup(pairs, 10)),
            10,
          ),
        );
        for (const [part, pairs] of parts.entries()) {
          if (bits > 0) for (const [key] of pairs) assert.equal(groupOf(key, bits), part);
        }
      } finally {
        for (const { file } of runs) file.release();
      }
    }),
  );
});

test('of records that are the same the first is kept, and groups begin where the run says', () => {
  const isSame = (words: Uint32Array, left: number, right: number): boolean => words[left] === words[right];
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 100 }), (pairs) => {
      const run = writeRun(pairs, isSame);
      try {
        const first = new Map(pairs.toReversed());
        assert.equal(run.count, first.size);
        const read = Array.from(readParts([run]), ({ words }) => pairsOf(words)).flat();
        assert.deepEqual(new Map(read), first);
        for (const [place, [key]] of read.entries()) {
          const group = groupOf(key, run.groupBits);
          assert.ok(run.starts[group]! <= place && place < run.starts[group + 1]!);
        }
      } finally {
        run.file.release();
      }
    }),
  );
});

test('keys that are all alike are refused before they fill memory: they are forged', () => {
  const run = writeRun(Array.from({ length: 1000 }, (): Pair => [7, 7]));
  assert.throws(() => [...readParts([run], 64)], { code: 'RepositoryCorrupt', message: /no hashes/ });
  run.file.release();
});
