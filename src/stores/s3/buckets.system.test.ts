import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SalvorError } from '#shared/errors';
import { parseLocation } from '../location.ts';
import { keysOf, withCode } from '../store.contract.ts';
import type { Store } from '../store.ts';
import { addAccount, credentials, startGateway } from './gateway.fixture.ts';
import type { Gateway } from './gateway.fixture.ts';
import { openS3Store } from './s3-store.ts';

const bin = process.env['SALVOR_LAB_BIN'];

let server: Gateway;
let admin: S3Client;
before(async () => {
  server = await startGateway(bin);
  admin = new S3Client({ endpoint: server.endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await admin.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
});
after(async () => {
  admin?.destroy();
  await server?.stop();
});

async function open(bucket: string, as = credentials): Promise<Store> {
  const location = parseLocation(`s3://${bucket}/p?endpoint=${server.endpoint}`);
  assert.ok(location.kind === 's3');
  return openS3Store(location, { credentials: as });
}

test('in a bucket with versions a deleted object is gone for readers, and its version is still there', async () => {
  const store = await open('locked');
  await store.put('v/one', Buffer.from('precious'), {
    retention: { mode: 'compliance', untilMs: Date.now() + 3_600_000 },
  });
  await store.delete('v/one');
  assert.equal(await store.head('v/one'), undefined);
  await assert.rejects(store.get('v/one'), withCode('StoreObjectMissing'));
  assert.deepEqual(await keysOf(store, 'v/'), []);

  const version = await newestVersion('locked', 'p/v/one');
  const kept = await admin.send(new GetObjectCommand(version));
  assert.equal(await kept.Body?.transformToString(), 'precious');
  await assert.rejects(admin.send(new DeleteObjectCommand(version)), 'the version itself cannot be deleted');

  await store.put('v/one', Buffer.from('again'));
  assert.equal((await store.get('v/one')).toString(), 'again');
});

interface Version {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId: string | undefined;
}

async function newestVersion(Bucket: string, Key: string): Promise<Version> {
  const { Versions } = await admin.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }));
  return { Bucket, Key, VersionId: Versions?.[0]?.VersionId };
}

test('a bucket that keeps everything by default takes objects as they are', async () => {
  await admin.send(new CreateBucketCommand({ Bucket: 'keeping', ObjectLockEnabledForBucket: true }));
  const Rule = { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } } as const;
  await admin.send(
    new PutObjectLockConfigurationCommand({
      Bucket: 'keeping',
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
    }),
  );
  const store = await open('keeping');
  await store.put('a', Buffer.from('x'));
  assert.equal((await store.get('a')).toString(), 'x');
  await assert.rejects(admin.send(new DeleteObjectCommand(await newestVersion('keeping', 'p/a'))));
});

test('credentials that may add and read but not delete or replace do that, and say what is refused', async () => {
  const account = { accessKeyId: 'appender', secretAccessKey: 'appender-secret' };
  await addAccount(bin, server.endpoint, account);
  const allow = (actions: readonly string[], resource: string): object => ({
    Effect: 'Allow',
    Principal: { AWS: [account.accessKeyId] },
    Action: actions,
    Resource: resource,
  });
  const Statement = [
    allow(['s3:ListBucket'], 'arn:aws:s3:::bucket'),
    allow(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::bucket/*'),
  ];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await admin.send(new PutBucketPolicyCommand({ Bucket: 'bucket', Policy }));

  const store = await open('bucket', account);
  await store.put('data/one', Buffer.from('x'));
  assert.equal((await store.get('data/one')).toString(), 'x');
  assert.deepEqual(await keysOf(store, 'data/'), ['data/one']);
  await assert.rejects(store.delete('data/one'), (error: unknown) => {
    assert.ok(withCode('StoreAccessDenied')(error) && error instanceof SalvorError);
    assert.match(`${error.hint}`, /s3:DeleteObject on arn:aws:s3:::bucket\/p\/\*/);
    return true;
  });
  assert.equal((await store.get('data/one')).toString(), 'x');
});

test('an object above the size of one request goes in parts, and nothing is left of an upload that was given up', async () => {
  const store = await open('bucket');
  const body = Buffer.alloc(101 * 1024 * 1024, 'salvor');
  await store.put('large', body);
  assert.ok((await store.get('large')).equals(body));

  const abort = new AbortController();
  async function* stream(): AsyncGenerator<Buffer> {
    yield body.subarray(0, 40 * 1024 * 1024);
    abort.abort();
    yield body;
  }
  await assert.rejects(store.put('given-up', stream(), { signal: abort.signal }), { name: 'AbortError' });
  const { Uploads } = await admin.send(new ListMultipartUploadsCommand({ Bucket: 'bucket' }));
  assert.deepEqual(Uploads ?? [], []);
});

test('a hash that is not the body’s is refused by the server, and may be tried again', async () => {
  const store = await open('bucket');
  const sha256 = '0'.repeat(64);
  await assert.rejects(store.put('hashed', Buffer.from('x'), { sha256 }), (error: unknown) => {
    assert.ok(error instanceof SalvorError);
    assert.deepEqual([error.code, error.retryable], ['StoreFailed', true], error.message);
    return true;
  });
  assert.equal(await store.head('hashed'), undefined);
});
