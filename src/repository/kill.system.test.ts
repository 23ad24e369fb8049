import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deaths } from './dying-store.fixture.ts';
import { killAtEachChange } from './kill.fixture.ts';

/** The same as kill.test.ts with many other backups. */

const variants = 100;

test('thousands of backups that are killed all leave what checks clean, and lose nothing that was indexed', async () => {
  let kills = 0;
  for (let variant = 4; variant < 4 + variants; variant++) {
    for (const how of deaths) kills += await killAtEachChange(variant, how);
  }
  assert.ok(kills >= 2_000, `only ${kills} kills`);
});
