import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SalvorError } from '#shared/errors';
import type { BlobId } from '#repository/types';
import {
  formatMoverMessage,
  lineBytesMax,
  moverError,
  parseMoverMessage,
  terminationBytesMax,
  type BackupResult,
  type MoverMessage,
  type RestoreResult,
} from './protocol.ts';

const tree = 'ab'.repeat(32) as BlobId;

const backupResult: BackupResult = {
  kind: 'backup',
  asset: 'shop/uploads',
  tree,
  node: {
    name: Buffer.alloc(0),
    type: 'dir',
    mode: 0o2770,
    mtimeNs: 1_700_000_000_123_456_789n,
    atimeNs: -5n,
    ctimeNs: 3n,
    uid: 999,
    gid: 0,
    inode: 2n ** 63n,
    deviceId: 0n,
    subtree: tree,
    xattrs: [{ name: 'user.long', value: Buffer.alloc(800, 7) }],
  },
  ledger: { plannedItems: 3, plannedBytes: 12, capturedItems: 2, capturedBytes: 8 },
  newBytes: 8,
  storedBytes: 300,
  issues: [{ path: 'a', code: 'EACCES', message: 'permission denied' }],
  issuesTotal: 1,
  skipped: [{ path: 'lost+found', reason: 'empty' }],
  skippedTotal: 1,
};

const restoreResult: RestoreResult = {
  kind: 'restore',
  asset: 'shop/uploads',
  tree,
  items: 1,
  bytes: 2,
  verifiedItems: 1,
  verifiedBytes: 2,
  issues: [],
  issuesTotal: 0,
  differences: [{ path: 'x', what: 'mode', expected: '0600', found: '0644' }],
  differencesTotal: 1,
};

test('every kind of message comes back as it was sent', () => {
  const messages: MoverMessage[] = [
    { message_type: 'progress', phase: 'backup', items: 1, bytes: 2, plannedItems: 3, plannedBytes: 4 },
    { message_type: 'issue', path: 'a\\x0ab', code: 'EIO', message: 'input/output error' },
    { message_type: 'result', result: backupResult },
    { message_type: 'result', result: restoreResult },
    { message_type: 'error', code: 'KeyWrong', message: 'no', hint: 'Give another.', retryable: false },
  ];
  for (const message of messages) {
    const line = formatMoverMessage(message);
    assert.ok(!line.includes('\n'));
    assert.deepEqual(parseMoverMessage(line), message);
  }
});

test('a result with thousands of issues fits the termination message and still tells how many there are', () => {
  const issue = { path: 'ü'.repeat(3000), code: 'EACCES', message: 'permission denied' };
  const result = { ...backupResult, issues: Array.from({ length: 1000 }, () => issue), issuesTotal: 5000 };
  for (const limit of [terminationBytesMax, lineBytesMax]) {
    const line = formatMoverMessage({ message_type: 'result', result }, limit);
    assert.ok(Buffer.byteLength(line) <= limit);
    const parsed = parseMoverMessage(line);
    assert.ok(parsed?.message_type === 'result' && parsed.result.kind === 'backup');
    assert.equal(parsed.result.issuesTotal, 5000);
    assert.ok(parsed.result.issues.length >= 1);
    assert.deepEqual(parsed.result.node, backupResult.node);
  }
});

test('an error of any length fits the termination message', () => {
  const error = new SalvorError('\u0001'.repeat(5000), { code: 'StoreFull', hint: '語'.repeat(5000) });
  const line = formatMoverMessage({ message_type: 'error', ...moverError(error) }, terminationBytesMax);
  assert.ok(Buffer.byteLength(line) <= terminationBytesMax);
  const parsed = parseMoverMessage(line);
  assert.ok(parsed?.message_type === 'error');
  assert.equal(parsed.code, 'StoreFull');
});

test('errors keep their code, causes and hint; an abort is Cancelled and anything else Internal', () => {
  const cause = new Error('connection reset');
  const error = new SalvorError('No answer', { code: 'StoreUnreachable', hint: 'Wait.', retryable: true, cause });
  assert.deepEqual(moverError(error), {
    code: 'StoreUnreachable',
    message: 'No answer: connection reset',
    hint: 'Wait.',
    retryable: true,
  });
  assert.equal(moverError(AbortSignal.abort().reason).code, 'Cancelled');
  assert.equal(moverError(new TypeError('bug')).code, 'Internal');
});

test('what is not a whole and valid message is not a message', () => {
  const line = formatMoverMessage({ message_type: 'result', result: backupResult });
  const bad = [
    '',
    'null',
    '[]',
    '{}',
    'Warning: something else',
    line.slice(0, -1),
    line.replace(tree, `../${tree}`),
    line.replace('"issuesTotal":1', '"issuesTotal":-1'),
    line.replace('"mode":1528', '"mode":99999'),
    JSON.stringify({ message_type: 'error', code: 'constructor', message: '', retryable: false }),
    JSON.stringify({ message_type: 'issue', path: 'x'.repeat(5000), code: 'E', message: '' }),
    JSON.stringify({ message_type: 'progress', phase: 'backup', items: 1, bytes: 2 }) + ' '.repeat(lineBytesMax),
  ];
  for (const text of bad) assert.equal(parseMoverMessage(text), undefined, text.slice(0, 80));
});

test('no line makes the parser throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      parseMoverMessage(line);
    }),
    { numRuns: 300 },
  );
});
