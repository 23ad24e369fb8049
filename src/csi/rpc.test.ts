import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { notFound } from './errors.ts';
import { socketPathOf, statusOf } from './rpc.ts';
import { runCommand } from './volumes/run-command.ts';

test('errors become the status codes of the specification', () => {
  assert.deepEqual(statusOf(notFound('volume x')), { code: status.NOT_FOUND, message: 'volume x does not exist' });
  assert.equal(statusOf(Object.assign(new Error('write'), { code: 'ENOSPC' })).code, status.RESOURCE_EXHAUSTED);
  assert.equal(statusOf(new Error('mkfs failed: No space left on device')).code, status.RESOURCE_EXHAUSTED);
  assert.equal(statusOf(AbortSignal.abort().reason).code, status.CANCELLED);
  assert.deepEqual(statusOf(new Error('odd')), { code: status.INTERNAL, message: 'odd' });
});

test('an endpoint is a path of a socket', () => {
  assert.equal(socketPathOf('unix:///a/csi.sock'), '/a/csi.sock');
  assert.equal(socketPathOf('/a/csi.sock'), '/a/csi.sock');
  assert.throws(() => socketPathOf('tcp://localhost:1'), TypeError);
  assert.throws(() => socketPathOf(`unix:///${'x'.repeat(120)}`), /longer than 107/);
});

test('a command that fails says what it said, and one that hangs is stopped', async () => {
  await assert.rejects(runCommand('sh', ['-c', 'echo bad >&2; exit 3']), { message: 'sh failed: bad', exitCode: 3 });
  assert.deepEqual(await runCommand('sh', ['-c', 'echo fine; exit 1'], { exitCodes: [1] }), { stdout: 'fine\n' });
  await assert.rejects(runCommand('sh', ['-c', 'read _'], { timeoutMs: 20 }), /stopped after 20 ms/);
  await assert.rejects(runCommand('no-such-tool', []), /no-such-tool is not installed/);
  await assert.rejects(runCommand('sh', ['-c', 'read _'], { signal: AbortSignal.timeout(20) }), {
    name: 'TimeoutError',
  });
});
