import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createMemoryStore } from '#stores/memory/memory-store';
import { createForge } from './forge.fixture.ts';
import type { Forge } from './forge.fixture.ts';
import { createTestRepository, saveFile, snapshotOf } from './fixtures.ts';
import { blobId } from './ids.ts';
import { BLOB_BYTES_MAX, FILE_BYTES_MAX } from './limits.ts';
import type { BlobId } from './types.ts';
import { compress } from './zstd.ts';

/** Small objects that ask for much memory, read by a process that has little: it must say so, and live. */

/** Far below what the bombs would take, enough for the largest sound object. */
const heapMiB = 1024;

const reader = join(dirname(fileURLToPath(import.meta.url)), 'hostile-reader.fixture.ts');

interface Answer {
  readonly outcomes: readonly string[];
  readonly memoryKiB: number;
}

/** Spoils a repository that holds one file, puts it on a disk, and reads it there. */
async function readSpoiled(t: TestContext, spoil: (forge: Forge) => unknown): Promise<Answer> {
  const store = createMemoryStore();
  await saveFile(await createTestRepository(store), [Buffer.from('sound')]);
  const forge = await createForge(store);
  await spoil(forge);
  const folder = await mkdtemp(join(tmpdir(), 'salvor-bomb-'));
  t.after(async () => rm(folder, { recursive: true }));
  for (const [key, object] of store.objects) {
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), object);
  }
  const args = [`--max-old-space-size=${heapMiB}`, '--disable-warning=ExperimentalWarning', reader, folder];
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, `the reader died of ${signal ?? status}: ${stderr.slice(-2000)}`);
  const answer = JSON.parse(stdout) as Answer;
  t.diagnostic(`${Math.round(answer.memoryKiB / 1024)} MiB: ${answer.outcomes[0]}`);
  assert.ok(answer.memoryKiB < 2.5 * 1024 * 1024, `${answer.memoryKiB} KiB`);
  return answer;
}

/** A sealed file of this text, compressed. */
function addFile(forge: Forge, kind: 'index' | 'snapshots', text: Buffer): void {
  forge.replace(`${kind}/new`, Buffer.concat([Buffer.of(2), compress(text)]));
}

/** `head`, then as much of the filling as makes `bytes`, then `tail`. */
function filled(head: string, filling: string, tail: string, bytes: number): Buffer {
  const text = Buffer.alloc(bytes - (bytes % filling.length) - head.length - tail.length, filling);
  return Buffer.concat([
    Buffer.from(head),
    text.subarray(0, text.length - (text.length % filling.length)),
    Buffer.from(tail),
  ]);
}

/** A snapshot whose root is this blob, whatever it is. */
async function addTree(forge: Forge, plain: Buffer): Promise<BlobId> {
  const id = blobId(plain);
  forge.addPack([{ type: 'tree', id, content: compress(plain), uncompressedLength: plain.length }]);
  addFile(forge, 'snapshots', Buffer.from(JSON.stringify(snapshotOf(id))));
  return id;
}

const bombs: Readonly<Record<string, (forge: Forge) => unknown>> = {
  'an index of empty lists': (forge) =>
    addFile(forge, 'index', filled('{"packs":[', '[],', '[]]}', FILE_BYTES_MAX.index)),
  'an index that is nested': (forge) => addFile(forge, 'index', Buffer.alloc(FILE_BYTES_MAX.index / 2, '{"a":')),
  'an index that decompresses to more than it may': (forge) =>
    addFile(forge, 'index', Buffer.alloc(FILE_BYTES_MAX.index + 1, '{"packs":[')),
  'a snapshot of numbers': (forge) =>
    addFile(forge, 'snapshots', filled('{"tags":[', '1,', '1]}', FILE_BYTES_MAX.snapshots)),
  'a snapshot that decompresses to more than it may': (forge) =>
    addFile(forge, 'snapshots', Buffer.alloc(FILE_BYTES_MAX.snapshots + 1, ' ')),
  'a tree of empty nodes': async (forge) => addTree(forge, filled('{"nodes":[', '{},', '{}]}', BLOB_BYTES_MAX / 4)),
  'a tree of one long name': async (forge) =>
    addTree(forge, filled('{"nodes":[{"name":"', 'n', '","type":"file"}]}', BLOB_BYTES_MAX / 4)),
};

for (const [bomb, spoil] of Object.entries(bombs)) {
  test(`${bomb} is refused by name, by a process with ${heapMiB} MiB of heap`, async (t) => {
    const { outcomes } = await readSpoiled(t, spoil);
    assert.ok(outcomes.length >= 2, 'not found by reading and by checking');
    for (const outcome of outcomes) assert.match(outcome, /(index|snapshots|tree)[/ ][0-9a-f]{64}/);
  });
}
