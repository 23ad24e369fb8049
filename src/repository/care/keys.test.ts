import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '#stores/memory/memory-store';
import { cheapKdf, createTestRepository, identity, password } from '../fixtures.ts';
import { openRepository } from '../repository.ts';
import { addRepositoryKey, listRepositoryKeys, removeRepositoryKey } from './keys.ts';

const other = 'another password';
const now = Date.parse('2026-11-25T00:00:00Z');

test('a second password opens the repository, and the first can then be taken its power', async () => {
  const store = createMemoryStore();
  await using _made = await createTestRepository(store);
  const added = await addRepositoryKey(store, { password, newPassword: other, kdf: cheapKdf, identity, now });
  await using _opened = await openRepository(store, { password: other });
  const keys = await listRepositoryKeys(store, { password: other });
  assert.equal(keys.find(({ isCurrent }) => isCurrent)?.id, added);
  assert.deepEqual(new Set(keys.map(({ hostname }) => hostname)), new Set(['test-host']));
  assert.equal(keys.length, 2);
  const first = keys.find(({ isCurrent }) => !isCurrent)!.id;
  assert.equal(await removeRepositoryKey(store, first.slice(0, 8), { password: other }), first);
  await assert.rejects(openRepository(store, { password }), { code: 'KeyWrong' });
});

test('the key in use is never removed, so that one is always left', async () => {
  const store = createMemoryStore();
  await using _made = await createTestRepository(store);
  const [only] = await listRepositoryKeys(store, { password });
  await assert.rejects(removeRepositoryKey(store, only!.id, { password }), { code: 'Unsafe' });
  for (const prefix of ['', 'f'.repeat(64)])
    await assert.rejects(removeRepositoryKey(store, prefix, { password }), { code: 'NotFound' });
  assert.equal((await listRepositoryKeys(store, { password })).length, 1);
});

test('who does not know a password learns and changes nothing', async () => {
  const store = createMemoryStore();
  await using _made = await createTestRepository(store);
  const wrong = { password: 'guess', newPassword: other, kdf: cheapKdf, now };
  await assert.rejects(listRepositoryKeys(store, wrong), { code: 'KeyWrong' });
  await assert.rejects(addRepositoryKey(store, wrong), { code: 'KeyWrong' });
  await assert.rejects(listRepositoryKeys(createMemoryStore(), wrong), { code: 'RepositoryMissing' });
});

test('no key is removed while anybody is at work: two could remove the key of each other', async () => {
  const store = createMemoryStore();
  await using repository = await createTestRepository(store);
  const added = await addRepositoryKey(store, { password, newPassword: other, kdf: cheapKdf, identity, now });
  {
    await using _lock = await repository.lock('shared');
    await assert.rejects(removeRepositoryKey(store, added, { password }), { code: 'RepositoryLocked' });
  }
  await using _opened = await openRepository(store, { password: other });
  assert.equal(await removeRepositoryKey(store, added, { password }), added);
});

test('a password that opens the repository already gets no second key', async () => {
  const store = createMemoryStore();
  await using _made = await createTestRepository(store);
  const add = { password, newPassword: other, kdf: cheapKdf, identity, now };
  assert.equal(await addRepositoryKey(store, add), await addRepositoryKey(store, add));
  assert.equal((await listRepositoryKeys(store, { password })).length, 2);
});
