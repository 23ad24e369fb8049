import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { chunkBytesMax, chunkBytesMin, createChunker, readBytes } from './chunker.ts';

/** A polynomial as restic draws them: degree 53, irreducible. From restic's own chunker documentation. */
const polynomial = 0x3da3358b4dc173n;
const MiB = 1024 * 1024;

/** Bytes without structure, the same for the same seed, without megabytes of random numbers in a test report. */
function noise(seed: number, length: number): Buffer {
  return createHash('shake128', { outputLength: length }).update(String(seed)).digest();
}

/** Feeds the input in reads of the given sizes (repeated) and answers all chunks' lengths, checking their bytes. */
function chunkLengths(input: Buffer, readSizes: readonly number[], chunker = createChunker(polynomial)): number[] {
  const lengths: number[] = [];
  let given = 0;
  let position = 0;
  const check = (chunk: Uint8Array): void => {
    assert.ok(Buffer.from(chunk).equals(input.subarray(given, given + chunk.length)), 'a chunk holds the wrong bytes');
    given += chunk.length;
    lengths.push(chunk.length);
  };
  for (let read = 0; position < input.length; read++) {
    const size = Math.min(readSizes[read % readSizes.length]!, input.length - position);
    chunker.room().set(input.subarray(position, position + size));
    chunker.filled(size);
    position += size;
    for (let chunk = chunker.next(); chunk !== undefined; chunk = chunker.next()) check(chunk);
  }
  const rest = chunker.rest();
  if (rest !== undefined) check(rest);
  assert.equal(given, input.length, 'the chunks joined are not the input');
  return lengths;
}

/** restic's algorithm written down literally: every byte slides through a window kept as a ring. Slow. */
function literalLengths(input: Buffer): number[] {
  const degree = 53n;
  const reduce = (value: bigint): bigint => {
    let rest = value;
    while (rest >> degree !== 0n) rest ^= polynomial << BigInt(rest.toString(2).length - 54);
    return rest;
  };
  const leaving = Array.from({ length: 256 }, (_, byte) => {
    let digest = BigInt(byte);
    for (let step = 0; step < 63; step++) digest = reduce(digest << 8n);
    return digest;
  });
  const lengths: number[] = [];
  let start = 0;
  while (start < input.length) {
    let digest = 1n;
    const ring = new Uint8Array(64);
    ring[0] = 1;
    let slot = 1;
    let position = start + chunkBytesMin - 64;
    let cut = input.length;
    for (; position < input.length; position++) {
      digest = reduce(((digest ^ leaving[ring[slot]!]!) << 8n) | BigInt(input[position]!));
      ring[slot] = input[position]!;
      slot = (slot + 1) % 64;
      const length = position + 1 - start;
      if (length < chunkBytesMin) continue;
      if ((digest & 0xfffffn) === 0n || length === chunkBytesMax) {
        cut = position + 1;
        break;
      }
    }
    lengths.push(cut - start);
    start = cut;
  }
  return lengths;
}

test('cuts where the algorithm of restic, written down literally, cuts', () => {
  const input = noise(1, 5 * MiB);
  const lengths = chunkLengths(input, [readBytes]);
  assert.ok(lengths.length > 2);
  assert.deepEqual(lengths, literalLengths(input));
});

test('zeros are cut at the shortest length, as the hash of a zero window is zero', () => {
  assert.deepEqual(chunkLengths(Buffer.alloc(2 * chunkBytesMin + 5), [readBytes]), [chunkBytesMin, chunkBytesMin, 5]);
});

test('a stream without any cut is cut at the longest length', () => {
  // A constant byte gives a constant digest once the window is full of it.
  const input = Buffer.alloc(chunkBytesMax + 10, 7);
  assert.deepEqual(chunkLengths(input, [readBytes]), [chunkBytesMax, 10]);
});

test('nothing gives no chunk, and a short stream gives one', () => {
  assert.deepEqual(chunkLengths(Buffer.alloc(0), [1]), []);
  assert.deepEqual(chunkLengths(noise(2, 1), [1]), [1]);
  assert.deepEqual(chunkLengths(noise(2, chunkBytesMin), [readBytes]), [chunkBytesMin]);
});

test('chunks joined are the input, keep their bounds, and do not depend on how it was read', () => {
  const chunker = createChunker(polynomial);
  const inputs = fc.record({
    seed: fc.nat(),
    length: fc.integer({ min: 0, max: 12 * MiB }),
    zeros: fc.integer({ min: 0, max: 2 * MiB }),
    reads: fc.array(fc.integer({ min: 60_000, max: readBytes }), { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(inputs, ({ seed, length, zeros, reads }) => {
      const input = Buffer.concat([noise(seed, length), Buffer.alloc(zeros), noise(seed + 1, length % MiB)]);
      const lengths = chunkLengths(input, reads, chunker);
      for (const [index, size] of lengths.entries()) {
        assert.ok(size <= chunkBytesMax);
        assert.ok(size >= chunkBytesMin || index === lengths.length - 1);
      }
      assert.deepEqual(lengths, chunkLengths(input, [readBytes], chunker));
    }),
    { numRuns: 25 },
  );
});

test('an insertion at the front moves only the first cuts', () => {
  const input = noise(3, 12 * MiB);
  const plain = chunkLengths(input, [readBytes]);
  const moved = chunkLengths(Buffer.concat([noise(4, 1000), input]), [readBytes]);
  assert.deepEqual(moved.slice(-3), plain.slice(-3));
});

test('after a reset nothing of the stream before is left', () => {
  const chunker = createChunker(polynomial);
  chunker.room().fill(9);
  chunker.filled(1000);
  chunker.reset();
  assert.equal(chunker.pendingBytes, 0);
  const input = noise(5, 3 * MiB);
  assert.deepEqual(chunkLengths(input, [readBytes], chunker), chunkLengths(input, [readBytes]));
});

test('a polynomial of another degree is refused', () => {
  assert.throws(() => createChunker(0x3da3n), RangeError);
});
