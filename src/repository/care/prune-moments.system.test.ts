import { describe, test } from 'node:test';
import { deaths } from '../dying-store.fixture.ts';
import { countChanges, courses, disturbPrune, killPrune, scenes } from './prune-moments.fixture.ts';

/** The same as prune-moments.test.ts, at every moment: too long for every save of a file. */

for (const [what, makeScene] of Object.entries(scenes)) {
  describe(`a prune with ${what}`, () => {
    test('that is killed at any change leaves a sound repository, and the next one finishes the work', async () => {
      const base = await makeScene();
      const changes = await countChanges(base);
      for (let at = 0; at < changes; at++) for (const how of deaths) await killPrune(base, { at, how });
    });

    test('never takes what a writer relied on, whenever it came and went', async () => {
      const base = await makeScene();
      const changes = await countChanges(base);
      for (let moment = 0; moment < changes; moment++)
        for (const course of courses) await disturbPrune(base, moment, course);
    });
  });
}
