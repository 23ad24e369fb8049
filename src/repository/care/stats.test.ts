import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catFile } from './cat.ts';
import { access, makeScene } from './scene.fixture.ts';
import { repositoryStats } from './stats.ts';

const { signal } = new AbortController();
const scene = await makeScene();

test('every snapshot is counted as it is restored, and what it added once', async () => {
  const stats = await repositoryStats(await access(scene.store), signal, () => undefined);
  assert.deepEqual(
    stats.snapshots.map(({ files }) => files),
    [1, 1, 1],
  );
  for (const [index, name] of ['first', 'second', 'third'].entries())
    assert.equal(stats.snapshots[index]?.bytes, Buffer.concat(scene.pieces.get(name) ?? []).length, name);
  assert.equal(stats.files, 3);
  assert.equal(
    stats.snapshots.reduce((sum, { addedBytes }) => sum + addedBytes, 0),
    stats.storedBytes,
  );
  assert.ok(stats.uniqueBytes < stats.bytes + 10_000);
});

test('files of the repository are shown opened, and a key with its secret sealed', async () => {
  const vault = await access(scene.store);
  const { root, snapshot, content } = scene.saved.get('first')!;
  const shown = (await catFile(vault, { kind: 'snapshot', id: snapshot.slice(0, 10), signal })) as { tree: string };
  assert.equal(shown.tree, root);
  assert.ok('nodes' in ((await catFile(vault, { kind: 'tree', id: root, signal })) as object));
  const blob = (await catFile(vault, { kind: 'blob', id: content[0]!, signal })) as Uint8Array;
  assert.ok(Buffer.from(blob).equals(scene.pieces.get('first')![0]!));
  const key = [...scene.store.objects.keys()].find((one) => one.startsWith('keys/'))!.slice('keys/'.length);
  assert.deepEqual(Object.keys(await catFile(vault, { kind: 'key', id: key, signal })).toSorted(), [
    'N',
    'created',
    'data',
    'hostname',
    'kdf',
    'p',
    'r',
    'salt',
    'username',
  ]);
  await assert.rejects(catFile(vault, { kind: 'snapshot', id: 'ff'.repeat(32), signal }), { code: 'NotFound' });
  await assert.rejects(catFile(vault, { kind: 'blob', id: 'abc', signal }), { code: 'InvalidInput' });
  await assert.rejects(catFile(vault, { kind: 'index', id: undefined, signal }), { code: 'Usage' });
});
