import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAccess } from '#repository/care/access';
import { pruneRepository } from '#repository/care/prune';
import { checkRepository } from '#repository/check';
import { createTestRepository, identity, password, snapshotOf } from '#repository/fixtures';
import { openRepository } from '#repository/repository';
import { createMemoryStore } from '#stores/memory/memory-store';
import { backupTree } from './backup-tree.ts';

const { signal } = new AbortController();

test('a backup does not rely on what a prune is about to delete, though its parent has it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'salvor-prune-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await writeFile(join(root, 'file'), 'unchanged');
  const store = createMemoryStore();
  const prune = async (): Promise<{ deletedPacks: number; markedPacks: number }> =>
    pruneRepository(await openAccess(store, { password, identity }), {
      maxUnused: { kind: 'bytes', bytes: 0 },
      maxRepackBytes: undefined,
      exclusive: false,
      dryRun: false,
    });

  await using first = await createTestRepository(store);
  await using lock = await first.lock('shared');
  const { chunkerPolynomial } = first;
  const parent = await backupTree({ root, sink: first, chunkerPolynomial, signal });
  await first.flush();
  assert.ok((await prune()).markedPacks > 0);
  await using second = await openRepository(store, { password, identity });
  await using _lock = await second.lock('shared');
  await lock[Symbol.asyncDispose]();
  const again = await backupTree({
    root,
    sink: second,
    chunkerPolynomial,
    parent: { source: second, tree: parent.tree },
    signal,
  });
  await second.flush();
  assert.ok((await prune()).deletedPacks > 0);
  await second.saveSnapshot(snapshotOf(again.tree));
  assert.deepEqual((await checkRepository(store, { password, readData: true })).problems, []);
});
