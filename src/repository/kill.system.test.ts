import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deaths } from './dying-store.fixture.ts';
import { killAtEachChange } from './kill.fixture.ts';

/** The same as kill.test.ts, thousands of times: too long for every save of a file. */

const variants = 75;

test('thousands of backups that are killed all leave what checks clean, and lose nothing that was indexed', async (t) => {
  let kills = 0;
  for (let variant = 4; variant < 4 + variants; variant++) {
    for (const how of deaths) kills += await killAtEachChange(variant, how);
  }
  t.diagnostic(`${kills} kills`);
  assert.ok(kills >= 2000, `only ${kills} kills`);
});
