import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SalvorError } from '#shared/errors';
import { createRepository, openRepository } from '#repository/repository';
import type { Repository, SnapshotId } from '#repository/types';
import { createMemoryStore, type MemoryStore } from '#stores/memory/memory-store';
import { boundedProgress } from './progress.ts';
import { moverMain, type MoverSetting } from './main.ts';
import { parseMoverMessage, terminationBytesMax, type MoverMessage } from './protocol.ts';
import { parseMoverTask, type MoverTask } from './task.ts';

const password = 'correct horse';
/** Quick to try; real repositories use restic's. */
const kdf = { N: 1024, r: 8, p: 1 };

interface World {
  readonly store: MemoryStore;
  readonly source: string;
  readonly target: string;
  readonly open: () => Promise<Repository>;
  /** Runs one mover; answers its exit code, all it printed and what it left as termination message. */
  readonly run: (task: object, more?: Partial<MoverSetting>) => Promise<Ran>;
}

interface Ran {
  readonly exitCode: number;
  readonly messages: readonly MoverMessage[];
  readonly last: MoverMessage;
  readonly left: string;
}

async function world(t: TestContext): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-run-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const [source, target] = [join(root, 'source'), join(root, 'target')];
  await Promise.all([mkdir(source), mkdir(target)]);
  const store = createMemoryStore();
  await (await createRepository(store, { password, kdf }))[Symbol.asyncDispose]();
  const open = (given: string | Uint8Array = password) => openRepository(store, { password: given });
  const run: World['run'] = async (task, more) => {
    const lines: string[] = [];
    let left = '';
    const exitCode = await moverMain({
      task: JSON.stringify({ store: { location: 's3://bucket' }, asset: 'files', ...task }),
      readSecret: (key) => (key === 'repository-password' ? Buffer.from(`${password}\n`) : undefined),
      openRepository: (secrets) => () => open(secrets.password),
      clock: { now: () => 0 },
      signal: new AbortController().signal,
      write: (line) => lines.push(line),
      leave: (message) => (left = message),
      ...more,
    });
    const messages = lines.map((line) => parseMoverMessage(line)!);
    assert.ok(
      messages.every((message) => message !== undefined),
      lines.join('\n'),
    );
    return { exitCode, messages, last: messages.at(-1)!, left };
  };
  return { store, source, target, open: () => open(), run };
}

async function lockFiles(store: MemoryStore): Promise<number> {
  return (await Array.fromAsync(store.list('locks/'))).length;
}

test('a backup is durable without a snapshot, and a restore of its tree equals the source', async (t) => {
  const { store, source, target, open, run } = await world(t);
  await writeFile(join(source, 'file'), 'content');
  const saved = await run({ kind: 'backup', path: source });
  assert.equal(saved.exitCode, 0, saved.left);
  assert.ok(saved.last.message_type === 'result' && saved.last.result.kind === 'backup');
  const { tree, ledger } = saved.last.result;
  assert.deepEqual(ledger, { plannedItems: 1, plannedBytes: 7, capturedItems: 1, capturedBytes: 7 });
  assert.deepEqual(parseMoverMessage(saved.left), saved.last);
  assert.equal(await lockFiles(store), 0);
  assert.deepEqual(await (await open()).snapshots(), []);

  const restored = await run({ kind: 'restore', path: target, tree });
  assert.equal(restored.exitCode, 0);
  assert.ok(restored.last.message_type === 'result' && restored.last.result.kind === 'restore');
  const { items, bytes, verifiedItems, verifiedBytes, issuesTotal, differencesTotal } = restored.last.result;
  assert.deepEqual(
    { items, bytes, verifiedItems, verifiedBytes },
    { items: 1, bytes: 7, verifiedItems: 1, verifiedBytes: 7 },
  );
  assert.equal(issuesTotal + differencesTotal, 0);
  assert.equal(await readFile(join(target, 'file'), 'utf8'), 'content');
});

test('a restore finds its tree in a snapshot and gives the volume its own mode back', async (t) => {
  const { source, target, open, run } = await world(t);
  await writeFile(join(source, 'file'), 'content');
  await chmod(source, 0o2750);
  const saved = await run({ kind: 'backup', path: source });
  assert.ok(saved.last.message_type === 'result' && saved.last.result.kind === 'backup');
  const repository = await open();
  const { node } = saved.last.result;
  const wrap = async (name: string, subtree: typeof node.subtree) =>
    (await repository.saveTree([{ ...node, name: Buffer.from(name), subtree: subtree! }])).id;
  const tree = await wrap('shop', await wrap('volumes', await wrap('files', node.subtree)));
  const point = {
    time: '2026-01-02T03:04:05Z',
    tree,
    paths: ['/shop'],
    hostname: 'h',
    username: 'u',
    uid: 0,
    gid: 0,
    tags: [],
  };
  const snapshot = await repository.saveSnapshot(point);

  const restored = await run({ kind: 'restore', path: target, snapshot, from: '/shop/volumes/files' });
  assert.equal(restored.exitCode, 0);
  assert.equal(await readFile(join(target, 'file'), 'utf8'), 'content');
  assert.equal((await stat(target)).mode & 0o7777, 0o2750);

  const elsewhere = await run({ kind: 'restore', path: target, snapshot, from: '/shop/volumes/none' });
  assert.ok(elsewhere.last.message_type === 'error' && elsewhere.last.code === 'NotFound');
  assert.equal(elsewhere.exitCode, 4);
  const unknown = '0'.repeat(64) as SnapshotId;
  const nowhere = await run({ kind: 'restore', path: target, snapshot: unknown, from: '/shop' });
  assert.ok(nowhere.last.message_type === 'error' && nowhere.last.code === 'NotFound');
});

test('the second backup of an unchanged volume adds nothing to the store', async (t) => {
  const { source, run } = await world(t);
  await writeFile(join(source, 'file'), Buffer.alloc(2_000_000, 'x'));
  const first = await run({ kind: 'backup', path: source });
  assert.ok(first.last.message_type === 'result' && first.last.result.kind === 'backup');
  assert.ok(first.last.result.storedBytes > 0);
  const second = await run({ kind: 'backup', path: source, parentTree: first.last.result.tree });
  assert.ok(second.last.message_type === 'result' && second.last.result.kind === 'backup');
  assert.equal(second.last.result.storedBytes, 0);
  assert.equal(second.last.result.tree, first.last.result.tree);
  assert.deepEqual(second.last.result.ledger, first.last.result.ledger);
});

test('an occupied target, a wrong password, a missing one and a bad task each end with their own code', async (t) => {
  const { source, target, run } = await world(t);
  const tree = 'a'.repeat(64);
  await writeFile(join(target, 'mine'), 'mine');
  const wrong = () => Buffer.from('wrong');
  const cases = [
    [await run({ kind: 'restore', path: target, tree }), 'TargetExists', 5],
    [await run({ kind: 'backup', path: source }, { readSecret: wrong }), 'KeyWrong', 12],
    [await run({ kind: 'backup', path: source }, { readSecret: () => undefined }), 'KeyMissing', 12],
    [await run({ kind: 'backup', path: join(source, 'none') }), 'SourceUnreadable', 1],
    [await run({ kind: 'steal', path: source }), 'InvalidInput', 2],
  ] as const;
  for (const [ran, code, exitCode] of cases) {
    assert.ok(ran.last.message_type === 'error');
    assert.equal(ran.last.code, code);
    assert.equal(ran.exitCode, exitCode);
    assert.deepEqual(parseMoverMessage(ran.left), ran.last);
    assert.ok(!ran.left.includes(password));
  }
});

test('a mover that is told to stop releases its lock and says so', async (t) => {
  const { store, source, open, run } = await world(t);
  for (let i = 0; i < 30; i++) await writeFile(join(source, `f${i}`), `content ${i}`);
  const stop = new AbortController();
  let locksHeld = 0;
  const openRepositoryThatStops = () => async () => {
    const repository = await open();
    const saveBlob: Repository['saveBlob'] = async (type, bytes, signal) => {
      locksHeld = await lockFiles(store);
      stop.abort(new SalvorError('The mover was told to stop', { code: 'Cancelled' }));
      return repository.saveBlob(type, bytes, signal);
    };
    return { ...repository, saveBlob };
  };
  const ran = await run(
    { kind: 'backup', path: source },
    { signal: stop.signal, openRepository: openRepositoryThatStops },
  );
  assert.equal(locksHeld, 1);
  assert.ok(ran.last.message_type === 'error' && ran.last.code === 'Cancelled');
  assert.equal(ran.exitCode, 130);
  assert.equal(await lockFiles(store), 0);
});

test('bounds on bytes per second reach the store, and a bound that is none is refused', async (t) => {
  const { source, open, run } = await world(t);
  const places: object[] = [];
  const openRepositoryAt: MoverSetting['openRepository'] = () => async (place) => {
    places.push(place);
    return open();
  };
  const limits = { uploadBytesPerSecond: 5_000_000 };
  const ran = await run({ kind: 'backup', path: source, limits }, { openRepository: openRepositoryAt });
  assert.equal(ran.exitCode, 0);
  assert.deepEqual(places, [
    { location: 's3://bucket', bandwidth: { uploadBytesPerSecond: 5_000_000, downloadBytesPerSecond: undefined } },
  ]);
  const wrong = await run({ kind: 'backup', path: source, limits: { nice: 20 } });
  assert.equal(wrong.exitCode, 2);
});

test('progress is printed once per second of the clock and at every new phase', async (t) => {
  const { source, run } = await world(t);
  for (let i = 0; i < 50; i++) await writeFile(join(source, `f${i}`), 'x');
  const still = await run({ kind: 'backup', path: source });
  const phases = still.messages.flatMap((message) => (message.message_type === 'progress' ? [message.phase] : []));
  assert.deepEqual(phases, ['scan', 'backup']);
  let now = 0;
  const shown: number[] = [];
  const bounded = boundedProgress({ now: () => now }, ({ items }) => shown.push(items));
  for (; now <= 3500; now += 100) bounded({ phase: 'backup', items: now, bytes: 0 });
  assert.deepEqual(shown, [0, 1000, 2000, 3000]);
});

test('attributes of the root that do not fit a message are told as an issue', async (t) => {
  const { source, run } = await world(t);
  const { writeXattr } = await import('./posix/xattrs.ts');
  writeXattr(Buffer.from(source), { name: 'user.large', value: Buffer.alloc(3000) });
  const ran = await run({ kind: 'backup', path: source });
  assert.ok(ran.last.message_type === 'result' && ran.last.result.kind === 'backup');
  assert.equal(ran.last.result.issues[0]?.code, 'XattrSize');
  assert.ok(Buffer.byteLength(ran.left) <= terminationBytesMax);
});

test('tasks are checked: unknown fields, relative paths and half a source are refused', () => {
  const good: MoverTask = { kind: 'backup', asset: 'a', path: '/data', store: { location: 's3://b' } };
  assert.deepEqual(parseMoverTask(JSON.stringify(good)), good);
  const restore = { ...good, kind: 'restore' };
  const bad = [
    { ...good, path: 'data' },
    { ...good, password: 'secret' },
    { ...good, parentTree: 'xyz' },
    restore,
    { ...restore, snapshot: 'a'.repeat(64) },
    { ...restore, tree: 'a'.repeat(64), from: '/x' },
  ];
  for (const task of bad) {
    assert.throws(
      () => parseMoverTask(JSON.stringify(task)),
      (error) => error instanceof SalvorError,
      JSON.stringify(task),
    );
  }
  assert.throws(() => parseMoverTask('{'), { code: 'InvalidInput' });
});
