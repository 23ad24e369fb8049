import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { pageOf } from './pages.ts';

const ids = ['vol-1', 'vol-2', 'vol-3'];

test('pages follow each other until the last one, which has no token', () => {
  const first = pageOf(ids, { max_entries: 2, starting_token: '' });
  assert.deepEqual(first, { ids: ['vol-1', 'vol-2'], nextToken: 'vol-2' });
  assert.deepEqual(pageOf(ids, { max_entries: 2, starting_token: first.nextToken }), { ids: ['vol-3'], nextToken: '' });
});

test('a token works although its entry is gone, and new entries neither repeat nor hide others', () => {
  const changed = ['vol-0', 'vol-1', 'vol-25', 'vol-3'];
  assert.deepEqual(pageOf(changed, { max_entries: 0, starting_token: 'vol-2' }).ids, ['vol-25', 'vol-3']);
});

test('a token that was never given is refused', () => {
  assert.throws(() => pageOf(ids, { max_entries: 0, starting_token: 'nonsense' }), { code: status.ABORTED });
  assert.throws(() => pageOf(ids, { max_entries: -1, starting_token: '' }), { code: status.INVALID_ARGUMENT });
});
