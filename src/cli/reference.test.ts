import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { referencePages } from './reference.ts';

for (const [name, page] of referencePages()) {
  test(`docs/reference/${name} is what the source says (npm run docs renews it)`, async () => {
    assert.equal(await readFile(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8'), page);
  });
}
