import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetSnapshots } from './forget.ts';
import { access, keysUnder, makeScene } from './scene.fixture.ts';

test('snapshots are deleted by id or its beginning, all or none', async () => {
  const scene = await makeScene(1);
  const [first, second] = ['first', 'second'].map((name) => scene.saved.get(name)!.snapshot);
  const own = await access(scene.store);
  const forget = async (...ids: string[]): Promise<string[]> =>
    (await forgetSnapshots(own, { ids, dryRun: false })).map(({ id }) => id);
  const before = keysUnder(scene.store, 'snapshots/');
  await assert.rejects(forget(first!, 'ffffffffffff'), { code: 'NotFound', message: /ffffffffffff/ });
  await assert.rejects(forget(first!, second!.slice(0, 7)), { code: 'InvalidInput', message: /too short/ });
  assert.equal((await forgetSnapshots(own, { ids: [first!], dryRun: true })).length, 1);
  assert.deepEqual(keysUnder(scene.store, 'snapshots/'), before);
  assert.deepEqual(await forget(first!.slice(0, 10), first!, second!), [first, second]);
  assert.equal(keysUnder(scene.store, 'snapshots/').length, before.length - 2);
  assert.deepEqual(keysUnder(scene.store, 'locks/'), []);
});
