import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { nativeCodec } from './native.ts';
import { compress, compressInto, decompressInto } from './zstd.ts';

const plain = Buffer.concat([randomBytes(3000), Buffer.alloc(100_000, 'text ')]);
const compressed = zstdCompressSync(plain);

test('the libzstd of this Node can be called directly', () => {
  assert.ok(
    nativeCodec() !== undefined,
    'Node does not export it any more: restores and backups are slower than they were',
  );
});

test('a frame is decompressed into the memory it is given', () => {
  const target = Buffer.alloc(plain.length + 5, 0xee);
  assert.equal(decompressInto(target, compressed, 'It'), plain.length);
  assert.ok(target.subarray(0, plain.length).equals(plain));
  assert.deepEqual(target.subarray(plain.length), Buffer.alloc(5, 0xee));
});

test('what does not fit, is cut or is no frame is damage, and nothing is written past the memory', () => {
  const memory = Buffer.alloc(plain.length, 0xee);
  const room = memory.subarray(0, plain.length - 1);
  for (const hostile of [compressed, compressed.subarray(0, -1), compressed.subarray(3), randomBytes(50)]) {
    assert.throws(() => decompressInto(room, hostile, 'The blob x'), {
      code: 'RepositoryCorrupt',
      message: /^The blob x cannot be decompressed: /,
    });
  }
  assert.equal(memory.at(-1), 0xee);
});

for (const bytes of [1, 100, 64 * 1024, 64 * 1024 + 1, 1024 * 1024]) {
  test(`${bytes} bytes are compressed alike in both ways, and come back`, () => {
    const text = Buffer.alloc(bytes, 'a page of a table, ').fill(randomBytes(8), 0, Math.min(8, bytes));
    const target = Buffer.alloc(bytes + 1024);
    const written = compressInto(target, text);
    assert.ok(written !== undefined);
    assert.ok(zstdDecompressSync(target.subarray(0, written)).equals(text));
    assert.ok(zstdDecompressSync(compress(text)).equals(text));
    assert.equal(compressInto(Buffer.alloc(written - 1), text), undefined);
  });
}
