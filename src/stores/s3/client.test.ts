import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../open.ts';

test('a caFile that cannot be used is refused before anything is sent, with its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-ca-'));
  const notPem = join(folder, 'not.pem');
  await writeFile(notPem, 'no certificate');
  try {
    for (const [caFile, why] of [
      [join(folder, 'none.pem'), /none\.pem: ENOENT/],
      [notPem, /not\.pem holds no certificate/],
    ] as const) {
      const location = `s3://bucket?endpoint=https://127.0.0.1:1&caFile=${caFile}`;
      await assert.rejects(openStore({ location }), { code: 'InvalidInput', message: why });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
