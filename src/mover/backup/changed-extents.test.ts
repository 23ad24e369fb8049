import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { changedBlocks, readChangedExtents } from './changed-extents.ts';

async function list(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-extents-'));
  t.after(async () => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'list'), text);
  return join(folder, 'list');
}

test('a block is changed if any byte of it is', () => {
  const changed = [
    { offset: 10, length: 1 },
    { offset: 199, length: 2 },
    { offset: 400, length: 100 },
  ];
  assert.deepEqual([...changedBlocks(changed, 100)], [0, 1, 2, 4]);
});

test('a list is read as it is', async (t) => {
  const extents = [
    { offset: 4096, length: 4096 },
    { offset: 0, length: 1 },
  ];
  assert.deepEqual(await readChangedExtents(await list(t, JSON.stringify(extents)), 8192), extents);
});

test('what is no list of extents within the image is refused, and says where', async (t) => {
  const cases = [
    ['[{"offset":0,"length":1},{"offset":-1,"length":1}]', /: 1\.offset: /],
    ['[{"offset":0,"length":0}]', /: 0\.length: /],
    ['[{"offset":8191,"length":2}]', /2 bytes at 8191, beyond the end of the image at 8192/],
    ['{"offset":0}', /is not a list/],
    ['[', /cannot be read/],
  ] as const;
  for (const [text, message] of cases) {
    await assert.rejects(readChangedExtents(await list(t, text), 8192), { code: 'InvalidInput', message }, text);
  }
  await assert.rejects(readChangedExtents('/nonexistent/list', 1), { code: 'InvalidInput', message: /nonexistent/ });
});
