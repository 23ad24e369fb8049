import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SalvorError } from '#shared/errors';
import { errorRecord, formatError } from './error.ts';

test('an error has three lines at most: what, why, what to do', () => {
  const error = new SalvorError('Cannot write to bucket backups', {
    code: 'StoreAccessDenied',
    cause: new Error('403\nForbidden'),
    hint: 'Grant s3:PutObject.',
  });
  assert.equal(
    formatError(error),
    'Error: Cannot write to bucket backups\nWhy:   403 Forbidden\nDo:    Grant s3:PutObject.',
  );
});

test('a cause that is told already is not told twice', () => {
  assert.equal(
    formatError(new SalvorError('It failed: no route', { code: 'StoreUnreachable', cause: new Error('no route') })),
    'Error: It failed: no route',
  );
});

test('what an aborted signal throws is told as a cancellation', () => {
  const aborted = AbortSignal.abort().reason as unknown;
  assert.match(formatError(aborted), /^Error: Stopped before it was done\nDo: {4}Run the same command again/);
  assert.equal((errorRecord(aborted) as { code: string }).code, 'Cancelled');
});
