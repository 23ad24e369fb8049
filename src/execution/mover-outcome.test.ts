import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMoverMessage } from '#mover/protocol';
import type { BlobId } from '#repository/types';
import { moverOutcome } from './mover-outcome.ts';

test("a mover's own error becomes the step's error, with its code and its remedy", () => {
  const message = formatMoverMessage({
    message_type: 'error',
    code: 'StoreFull',
    message: 'the bucket is full',
    hint: 'Make room.',
    retryable: false,
  });
  const outcome = moverOutcome({ state: 'failed', message, reason: 'BackoffLimitExceeded' }, 'uploads');
  assert.ok(outcome.state === 'failed');
  assert.equal(outcome.error.code, 'StoreFull');
  assert.equal(outcome.error.hint, 'Make room.');
  assert.match(outcome.error.message, /uploads.*the bucket is full/);
});

test('a mover that was killed leaves no message: the reason is what Kubernetes says', () => {
  const outcome = moverOutcome(
    { state: 'failed', message: '', reason: 'Job has reached the specified backoff limit (OOMKilled 137)' },
    'uploads',
  );
  assert.ok(outcome.state === 'failed' && outcome.error.code === 'MoverFailed');
  assert.match(outcome.error.message, /OOMKilled/);
});

test('a mover that ended well but left no valid result has failed', () => {
  for (const message of ['', 'garbage', '{"message_type":"result","result":{"kind":"backup"}}']) {
    assert.equal(moverOutcome({ state: 'succeeded', message }, 'uploads').state, 'failed');
  }
});

test('progress is what the last line says; anything else in the log is not an error', () => {
  const lastLine = formatMoverMessage({
    message_type: 'progress',
    phase: 'backup',
    items: 1,
    bytes: 5,
    plannedItems: 2,
    plannedBytes: 10,
  });
  const moving = moverOutcome({ state: 'running', lastLine, attempt: 1 }, 'uploads');
  assert.deepEqual(moving.state === 'waiting' && moving.progress, { doneBytes: 5, totalBytes: 10 });
  assert.equal(
    moverOutcome({ state: 'running', lastLine: 'Segmentation fault', attempt: 2 }, 'uploads').state,
    'waiting',
  );
});

test('a mover that has said its result is done, though its pod still runs', () => {
  const result = {
    kind: 'restore',
    asset: 'uploads',
    tree: 'ab'.repeat(32) as BlobId,
    items: 1,
    bytes: 5,
    verifiedItems: 1,
    verifiedBytes: 5,
    issues: [],
    issuesTotal: 0,
    differences: [],
    differencesTotal: 0,
  } as const;
  const lastLine = formatMoverMessage({ message_type: 'result', result });
  assert.deepEqual(moverOutcome({ state: 'running', lastLine, attempt: 1 }, 'uploads'), {
    state: 'done',
    value: result,
  });
});
