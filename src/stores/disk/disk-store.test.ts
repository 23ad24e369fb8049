import assert from 'node:assert/strict';
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { keysOf, storeContract, withCode } from '../store.contract.ts';
import { diskError } from './disk-errors.ts';
import { openDiskStore } from './disk-store.ts';

const base = await mkdtemp(join(tmpdir(), 'salvor-disk-'));
after(async () => rm(base, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(base, String(folders++), 'store');

storeContract('disk', async () => ({ store: await openDiskStore(newFolder()), dispose: async () => {} }), {
  lacks: { 'object lock': 'a filesystem has nothing that root cannot undo' },
});

test('nothing but the objects is left behind, and temporary files are no objects', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  await store.put('a/b', Buffer.from('x'));
  await store.put('a/b', Buffer.from('y'), { ifAbsent: true });
  await writeFile(join(root, '.salvor-tmp', 'half-written'), 'x');
  assert.deepEqual(await keysOf(store, ''), ['a/b']);
  assert.deepEqual(await keysOf(store, '.salvor-tmp/'), []);
  await assert.rejects(store.put('.salvor-tmp/x', Buffer.from('x')), withCode('InvalidInput'));
});

test('what a crashed writer left is removed after a day, and not before', async () => {
  const root = newFolder();
  await mkdir(join(root, '.salvor-tmp'), { recursive: true });
  const [old, young] = [join(root, '.salvor-tmp', 'old'), join(root, '.salvor-tmp', 'young')];
  await Promise.all([writeFile(old, 'x'), writeFile(young, 'x')]);
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
  await utimes(old, twoDaysAgo, twoDaysAgo);
  await openDiskStore(root);
  assert.deepEqual(await readdir(join(root, '.salvor-tmp')), ['young']);
});

test('files of others whose names are no keys are passed over, and links are not followed', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  await store.put('keys/one', Buffer.from('x'));
  await writeFile(join(root, 'keys', 'größe'), 'x');
  await writeFile(join(base, 'outside'), 'secret');
  await symlink(join(base, 'outside'), join(root, 'keys', 'link'));
  assert.deepEqual(await keysOf(store, ''), ['keys/one']);
});

test('an object is replaced by another file, not written over: a reader keeps the one it opened', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  await store.put('a', Buffer.from('first'));
  await using reader = await open(join(root, 'a'), 'r');
  await store.put('a', Buffer.from('second'));
  assert.equal(await reader.readFile('utf8'), 'first');
  assert.equal((await store.get('a')).toString(), 'second');
});

test('the folder may not exist yet: then it is empty, and the first put makes it', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  assert.deepEqual(await keysOf(store, ''), []);
  await store.put('a', Buffer.from('x'));
  assert.equal(await readFile(join(root, 'a'), 'utf8'), 'x');
});

test('a folder where a file is in the way is reported with the object that failed', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  await store.put('a', Buffer.from('x'));
  await assert.rejects(store.put('a/b', Buffer.from('x')), withCode('StoreFailed'));
  await assert.rejects(store.get('a/b'), withCode('StoreObjectMissing'));
});

test('an object too large for memory is refused before it is read', async () => {
  const root = newFolder();
  const store = await openDiskStore(root);
  await store.put('a', Buffer.from('x'));
  await truncate(join(root, 'a'), 2 ** 40);
  await assert.rejects(store.get('a'), withCode('InvalidInput'));
  assert.equal((await store.get('a', { offset: 2 ** 39, length: 3 })).length, 3);
});

test('system errors become codes that say what to do', () => {
  const translate = (code: string): unknown =>
    diskError(Object.assign(new Error(code), { code }), 'writing x to disk:/d');
  for (const [errno, code, retryable] of [
    ['ENOSPC', 'StoreFull', false],
    ['EDQUOT', 'StoreFull', false],
    ['EACCES', 'StoreAccessDenied', false],
    ['EROFS', 'StoreAccessDenied', false],
    ['ESTALE', 'StoreUnreachable', true],
    ['EIO', 'StoreFailed', false],
    ['EWHATEVER', 'StoreFailed', false],
  ] as const) {
    const error = translate(errno);
    assert.ok(error instanceof SalvorError);
    assert.deepEqual([error.code, error.retryable], [code, retryable]);
    assert.match(error.message, /writing x to disk:\/d/);
  }
});

test(
  'a folder without write permission is denied',
  { skip: process.getuid?.() === 0 && 'root may write anywhere' },
  async () => {
    const root = newFolder();
    await mkdir(root, { recursive: true });
    await chmod(root, 0o500);
    await assert.rejects((await openDiskStore(root)).put('a', Buffer.from('x')), withCode('StoreAccessDenied'));
  },
);
