import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkStructure } from './json-bounds.ts';

const MiB = 1024 * 1024;
const refused = { code: 'RepositoryCorrupt', message: /^It has more levels or values/ };

describe('JSON that would take far more memory than its text', () => {
  test('by its depth, its objects or its values is refused before it is parsed', () => {
    for (const text of [
      `${'['.repeat(MiB)}${']'.repeat(MiB)}`,
      `[${'{},'.repeat(4_000_001)}{}]`,
      `[${'0,'.repeat(40_000_001)}0]`,
    ]) {
      assert.throws(() => checkStructure(Buffer.from(text), 'It'), refused);
    }
  });

  test('is not seen where there is only text that looks so, or that ends too early', () => {
    const quoted = `"${'[{,\\"'.repeat(MiB)}"`;
    for (const text of [quoted, quoted.slice(0, -2), `${']'.repeat(MiB)},`, '"\\'.padStart(2 * MiB)]) {
      checkStructure(Buffer.from(text), 'It');
    }
  });

  test('may have what a directory of a hundred thousand files has', () => {
    const node = {
      name: 'f',
      type: 'file',
      content: ['0'.repeat(64)],
      extended_attributes: [{ name: 'x', value: '' }],
    };
    checkStructure(Buffer.from(JSON.stringify({ nodes: Array.from({ length: 100_000 }, () => node) })), 'It');
  });
});
