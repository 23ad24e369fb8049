import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { Killed, deaths, dyingStore } from './dying-store.fixture.ts';
import { cheapKdf, identity, password } from './fixtures.ts';
import { assertSound, backUp, killAtEachChange } from './kill.fixture.ts';
import { createRepository } from './repository.ts';

/**
 * A writer may die at any moment: what it leaves is sound, and the next one goes on from there. Dozens of kills here,
 * thousands in kill.system.test.ts, and real ones in the mover's.
 */

describe('a backup that is killed', () => {
  for (const how of deaths) {
    test(`at any change, with the change ${how}, leaves what checks clean, and the next one uses all that is indexed`, async () => {
      const kills = await killAtEachChange(0, how);
      assert.ok(kills >= 6, `only ${kills} kills`);
    });
  }
});

describe('the creation of a repository that is killed', () => {
  for (const how of ['before', 'after'] as const) {
    test(`at any change, with the change ${how}, is done again by the next one, or was done`, async () => {
      for (let at = 0; at < 3; at++) {
        const store = createMemoryStore();
        const create = async (into: Store) => createRepository(into, { password, kdf: cheapKdf, identity });
        const dying = dyingStore(store, { at, how });
        await create(dying).catch((error: unknown) => assert.ok(error instanceof Killed, String(error)));
        await create(store).catch((error: unknown) => {
          assert.equal((error as { code?: string }).code, 'RepositoryExists');
        });
        await backUp(store, at);
        await assertSound(store, 1);
        const keys = [...store.objects.keys()].filter((key) => key.startsWith('keys/'));
        assert.equal(keys.length, 1);
      }
    });
  }
});
