import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { shopEndpoints, shopSecrets } from '../endpoints.ts';
import { awkwardFiles } from './awkward-files.ts';
import { openJournal, readJournal } from './journal.ts';
import { chooseOperation } from './operations.ts';
import { createRandom } from './random.ts';

test('the same seed makes the same load, another seed another', () => {
  const draw = (seed: string): string[] => {
    const random = createRandom(seed);
    return Array.from({ length: 50 }, () => chooseOperation(random));
  };
  assert.deepEqual(draw('1/1'), draw('1/1'));
  assert.notDeepEqual(draw('1/1'), draw('2/1'));
  assert.deepEqual(createRandom('x').bytes(5), createRandom('x').bytes(5));
});

test('every operation of the mix is chosen', () => {
  const random = createRandom('1');
  const chosen = new Set(Array.from({ length: 5000 }, () => chooseOperation(random)));
  assert.deepEqual([...chosen].toSorted(), [
    'cart',
    'click',
    'credit',
    'order',
    'refund',
    'report',
    'search',
    'thumb',
    'upload',
  ]);
});

test('the awkward files have distinct names that a file may have, one of them no UTF-8', () => {
  const files = awkwardFiles('run', createRandom('1'));
  assert.equal(new Set(files.map((file) => file.name.toString('hex'))).size, files.length);
  for (const { name } of files) assert.ok(name.length <= 255 && !name.includes('/') && !name.includes(0));
  const strange = files.filter(({ name }) => !Buffer.from(name.toString('utf8')).equals(name));
  assert.equal(strange.length, 1);
  assert.ok(files.some(({ name }) => name.length >= 254));
  assert.ok(files.some(({ sparse, content }) => sparse && content.length >= 64 * 1024 * 1024));
});

test('the journal gives back what was acknowledged before the cut-off, and says where it is damaged', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'journal-'));
  try {
    const file = path.join(folder, 'journal.jsonl');
    const journal = openJournal(file);
    journal.append({ at: 10, kind: 'click', id: 'a' });
    journal.append({ at: 20, kind: 'click', id: 'b' });
    journal.close();
    assert.deepEqual(await readJournal(file, 20), [{ at: 10, kind: 'click', id: 'a' }]);
    assert.equal((await readJournal(file)).length, 2);
    await appendFile(file, '{"at":');
    await assert.rejects(readJournal(file), /damaged at .*journal\.jsonl:3/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the endpoints carry users and no passwords; the passwords come out of the Secrets', () => {
  const endpoints = shopEndpoints((name) => ({ ip: name === 'carts' ? 'fd00::1' : '10.0.0.1', port: 5432 }));
  assert.equal(endpoints.checker.ordersDb, 'postgres://orders@10.0.0.1:5432/shop');
  assert.equal(endpoints.checker.carts, 'redis://[fd00::1]:5432');
  const encoded = Buffer.from('secret').toString('base64');
  const secrets = shopSecrets(() => ({
    'orders-password': encoded,
    'payments-password': encoded,
    password: encoded,
  }));
  assert.equal(secrets.cartsPassword, 'secret');
  assert.throws(() => shopSecrets(() => ({})), /The Secret orders-db has no key orders-password/);
});
