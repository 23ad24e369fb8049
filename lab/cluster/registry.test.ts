import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { layoutOf } from './layout.ts';
import { checkLabName, claimPlace, findPlace, listPlaces, releasePlace } from './registry.ts';

const root = await mkdtemp(join(tmpdir(), 'salvor-registry-'));
after(() => rm(root, { recursive: true }));
let count = 0;
const fresh = (): { directory: string; isPortFree: () => Promise<boolean> } => ({
  directory: join(root, String(count++)),
  isPortFree: async () => true,
});

test('labs get addresses and ports of their own, and keep them', async () => {
  const options = fresh();
  const one = await claimPlace('one', options);
  const two = await claimPlace('two', options);
  assert.notEqual(one.index, two.index);
  assert.equal(new Set([one.apiPort, one.storePort, two.apiPort, two.storePort]).size, 4);
  assert.notEqual(layoutOf(one).storeSubnet, layoutOf(two).storeSubnet);
  assert.deepEqual(await claimPlace('one', options), one);
});

test('many labs that start at once never share an index or a port', async () => {
  const options = fresh();
  const places = await Promise.all(Array.from({ length: 8 }, (_, i) => claimPlace(`lab-${i}`, options)));
  assert.equal(new Set(places.map((place) => place.index)).size, 8);
  assert.equal(new Set(places.flatMap((place) => [place.apiPort, place.storePort])).size, 16);
  assert.equal((await listPlaces(options)).length, 8);
});

test('the index of a removed lab is given to the next', async () => {
  const options = fresh();
  const one = await claimPlace('one', options);
  await claimPlace('two', options);
  await releasePlace('one', options);
  assert.equal(await findPlace('one', options), undefined);
  assert.equal((await claimPlace('three', options)).index, one.index);
});

test('a port that something else has taken since is replaced when the lab starts again', async () => {
  const options = fresh();
  const before = await claimPlace('one', options);
  const now = { ...options, isPortFree: async (port: number): Promise<boolean> => port !== before.apiPort };
  assert.deepEqual(await claimPlace('one', now), before);
  const renewed = await claimPlace('one', { ...now, renewPorts: true });
  assert.notEqual(renewed.apiPort, before.apiPort);
  assert.equal(renewed.storePort, before.storePort);
  assert.deepEqual(await findPlace('one', options), renewed);
});

test('a port that is really listened on is not given out', async () => {
  const { directory } = fresh();
  const wanted = await claimPlace('one', { directory });
  const server = createServer().listen(wanted.apiPort, '127.0.0.1');
  await once(server, 'listening');
  try {
    assert.notEqual((await claimPlace('one', { directory, renewPorts: true })).apiPort, wanted.apiPort);
  } finally {
    server.close();
  }
});

test('a name that cannot be a host name, folder and cgroup is refused', () => {
  for (const name of ['lab', 'a', 'two-2']) checkLabName(name);
  for (const name of ['', 'Lab', '-a', 'a-', '../x', 'a b', 'x'.repeat(21)])
    assert.throws(() => checkLabName(name), /cannot be the name of a lab/);
});

test('every socket of a lab with the longest name fits into a socket address', () => {
  const layout = layoutOf({ name: 'x'.repeat(20), index: 249, apiPort: 1, storePort: 2 });
  for (const path of [layout.control, layout.containerdSocket, layout.csiSocket])
    assert.ok(Buffer.byteLength(path) < 108, path);
});
