import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseObject } from './fields.ts';
import { packsOf, toBatch } from './index-batch.ts';
import { decodeIndex, encodeIndex } from './index-file.ts';
import { arbitraryPack, packOf } from './index-packs.fixture.ts';
import { scanIndex } from './index-scanner.ts';
import type { PackEntry } from './pack.ts';

/** What the general parser makes of it; undefined if it refuses. */
function parsed(text: Uint8Array): PackEntry[] | undefined {
  try {
    return decodeIndex(parseObject(text, 'it'), 'it');
  } catch {
    return undefined;
  }
}

function scanned(text: Uint8Array): PackEntry[] | undefined {
  const batch = scanIndex(text);
  return batch === undefined ? undefined : [...packsOf(batch)];
}

test('a batch gives back its packs, also empty ones', () => {
  fc.assert(
    fc.property(fc.array(arbitraryPack), (packs) => {
      assert.deepEqual([...packsOf(toBatch(packs))], packs);
    }),
  );
});

test('what we write is scanned, and understood as the general parser does', () => {
  const usual = arbitraryPack.filter(({ blobs }) => blobs.length > 0);
  fc.assert(
    fc.property(fc.array(usual, { minLength: 1, maxLength: 5 }), (packs) => {
      assert.deepEqual(scanned(Buffer.from(encodeIndex(packs))), packs);
      assert.deepEqual(scanned(Buffer.from(`${encodeIndex(packs)}\n`)), packs);
    }),
  );
});

const inserted = (text: Buffer, at: number, byte: number): Buffer =>
  Buffer.concat([text.subarray(0, at), Buffer.from([byte]), text.subarray(at)]);
const removed = (text: Buffer, at: number): Buffer => Buffer.concat([text.subarray(0, at), text.subarray(at + 1)]);

test('a changed text is left to the general parser, or understood as it does', () => {
  const text = Buffer.from(encodeIndex([packOf('a', 2), packOf('b', 1)]));
  let understood = 0;
  for (let at = 0; at < text.length; at++) {
    for (const byte of Buffer.from('0a"{}[],: \n-\\Fg\x80')) {
      const changed = Buffer.from(text);
      changed[at] = byte;
      for (const candidate of [changed, text.subarray(0, at), inserted(text, at, byte), removed(text, at)]) {
        const found = scanned(candidate);
        if (found === undefined) continue;
        understood++;
        assert.deepEqual(found, parsed(candidate), candidate.toString('latin1'));
      }
    }
  }
  // Other digits of ids and numbers are as good.
  assert.ok(understood > 100);
});

test('what is possible, but unusual, is left to the general parser', () => {
  const id = 'a'.repeat(64);
  const pack = (blob: string): string => `{"packs":[{"id":"${id}","blobs":[${blob}]}]}`;
  const blob = `"id":"${id}","type":"data","offset":0,"length":100`;
  for (const text of [
    '{"packs":[]}',
    '{"packs":null}',
    `{"supersedes":["${id}"],"packs":[]}`,
    pack(''),
    pack(`{${blob}, "uncompressed_length":5}`),
    pack(`{${blob},"uncompressed_length":${32 * 1024 * 1024}}`),
    pack(`{"type":"data","id":"${id}","offset":0,"length":100}`),
    pack(`{${blob.replace('100', '1e2')}}`),
    pack(`{${blob},"more":1}`),
  ]) {
    assert.equal(scanned(Buffer.from(text)), undefined, text);
    assert.ok(parsed(Buffer.from(text)) !== undefined, text);
  }
  assert.deepEqual(scanned(Buffer.from(pack(`{${blob}}`))), parsed(Buffer.from(pack(`{${blob}}`))));
});
