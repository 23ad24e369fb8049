import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { openStore } from '#stores/open';
import { credentials, startGateway } from '#stores/s3/gateway.fixture';
import type { Gateway } from '#stores/s3/gateway.fixture';
import { checkRepository } from './check.ts';
import { findNode, readContent } from './find.ts';
import { createTestRepository, password, saveFile } from './fixtures.ts';
import { openRepository } from './repository.ts';

/** The same repository in the same bucket, for restic and for us. */

let gateway: Gateway;
before(async () => {
  gateway = await startGateway(process.env['SALVOR_LAB_BIN']);
});
after(async () => gateway?.stop());

async function restic(prefix: string, ...args: string[]): Promise<string> {
  const child = spawn('restic', ['--no-cache', '-r', `s3:${gateway.endpoint}/bucket/${prefix}`, ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      RESTIC_PASSWORD: password,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.on('error', () => assert.fail('restic is needed for this test: apt-get install -y restic'));
  child.stdin.end('from standard input');
  const [output, [status]] = await Promise.all([child.stdout.toArray(), once(child, 'exit')]);
  assert.equal(status, 0, `restic ${args.join(' ')}`);
  return Buffer.concat(output as Buffer[]).toString();
}

const spec = (prefix: string): Parameters<typeof openStore>[0] => ({
  location: `s3://bucket/${prefix}?endpoint=${gateway.endpoint}`,
  credentials,
});

test('restic checks and extends what we wrote to S3, and we read what it added', async () => {
  const store = await openStore(spec('team/ours'));
  await using repository = await createTestRepository(store);
  const content = Array.from({ length: 40 }, () => randomBytes(1024 * 1024));
  const saved = await saveFile(repository, content);
  await restic('team/ours', 'check', '--read-data');
  await restic('team/ours', 'backup', '--stdin', '--stdin-filename', 'input');
  await using again = await openRepository(store, { password });
  await using _lock = await again.lock('shared');
  const snapshots = await again.snapshots();
  assert.equal(snapshots.length, 2);
  const theirs = snapshots.find(({ id }) => id !== saved.snapshot);
  const file = await findNode(again, theirs!.tree, '/input');
  assert.equal(Buffer.concat(await Array.fromAsync(readContent(again, file!))).toString(), 'from standard input');
  const report = await checkRepository(store, { password, readData: true });
  assert.deepEqual([report.problems, report.snapshots], [[], 2]);
  await store.close();
});

test('we open and extend what restic wrote to S3', async () => {
  await restic('theirs', 'init');
  const store = await openStore(spec('theirs'));
  await using repository = await openRepository(store, { password });
  await saveFile(repository, [Buffer.from('ours')]);
  await restic('theirs', 'check', '--read-data');
  await store.close();
});
