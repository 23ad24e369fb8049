import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countChanges, disturbPrune, killPrune, scenes } from './prune-moments.fixture.ts';

/** Some moments of a prune; all of them are in prune-moments.system.test.ts. */

/** Of the changes at which it can be killed, one in so many is tried here. */
const STEP = 4;

for (const [what, makeScene] of Object.entries(scenes)) {
  describe(`a prune with ${what}`, () => {
    test('that is killed leaves a sound repository, and the next one finishes the work', async () => {
      const base = await makeScene();
      const changes = await countChanges(base);
      assert.ok(changes > STEP);
      for (let at = 1; at < changes; at += STEP) await killPrune(base, { at, how: 'before' });
    });

    test('never takes what a writer relied on who came and went meanwhile', async () => {
      const base = await makeScene();
      const changes = await countChanges(base);
      for (let moment = 0; moment < changes; moment++) await disturbPrune(base, moment, 'within');
    });
  });
}
