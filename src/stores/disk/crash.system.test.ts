import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { keysOf } from '../store.contract.ts';
import { openDiskStore } from './disk-store.ts';

const root = await mkdtemp(join(tmpdir(), 'salvor-crash-'));
after(async () => rm(root, { recursive: true, force: true }));

/** Starts the writer, and kills it with SIGKILL in the middle of what it does after it has reported so many objects. */
async function writeUntilKilled(firstNumber: number, objects: number): Promise<string[]> {
  const program = join(import.meta.dirname, 'endless-writer.fixture.ts');
  const child = spawn(process.execPath, [program, root, String(firstNumber)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const reported: string[] = [];
  for await (const key of createInterface({ input: child.stdout })) {
    reported.push(key);
    if (reported.length === objects) child.kill('SIGKILL');
  }
  await ended;
  return reported;
}

test('a writer that is killed leaves whole objects, all that it reported, and nothing that is listed by mistake', async () => {
  const reported: string[] = [];
  for (const [round, objects] of [1, 2, 5, 9, 14].entries()) {
    reported.push(...(await writeUntilKilled(round * 1_000, objects)));
  }
  const store = await openDiskStore(root);
  const keys = await keysOf(store, '');
  for (const key of keys) {
    assert.match(key, /^k\/\d+$/);
    assert.ok((await store.get(key)).equals(Buffer.alloc(1024 * 1024, `${key.slice(2)} `)), `${key} is torn`);
  }
  assert.deepEqual(
    reported.filter((key) => !keys.includes(key)),
    [],
  );
});

test('what killed writers left half-written is removed when it is a day old', async () => {
  const staging = join(root, '.salvor-tmp');
  const aDayAgo = Date.now() / 1000 - 90_000;
  for (const name of await readdir(staging)) await utimes(join(staging, name), aDayAgo, aDayAgo);
  await openDiskStore(root);
  assert.deepEqual(await readdir(staging), []);
});
