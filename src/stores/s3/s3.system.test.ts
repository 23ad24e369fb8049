import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SalvorError } from '#shared/errors';
import type { S3Location } from '../location.ts';
import { parseLocation } from '../location.ts';
import { openStore } from '../open.ts';
import { keysOf, storeContract, withCode } from '../store.contract.ts';
import { credentials, freePort, startGateway, startRclone } from './gateway.fixture.ts';
import type { Gateway } from './gateway.fixture.ts';
import { openS3Store } from './s3-store.ts';

function at(endpoint: string, rest = 'bucket/prefix'): S3Location {
  const location = parseLocation(`s3://${rest}?endpoint=${endpoint}`);
  assert.ok(location.kind === 's3');
  return location;
}

const bin = process.env['SALVOR_LAB_BIN'];

/** Two parts of an upload. */
const LARGE_BYTES = 17 * 1024 * 1024;

storeContract(
  'S3 (versitygw)',
  async () => {
    const server = await startGateway(bin);
    return { store: await openS3Store(at(server.endpoint), { credentials }), dispose: server.stop };
  },
  { manyKeys: 1100, largeBytes: LARGE_BYTES, lacks: { 'object lock': 'its bucket was made without' } },
);

storeContract(
  'S3 (rclone)',
  async () => {
    const server = await startRclone(bin);
    return { store: await openS3Store(at(server.endpoint), { credentials }), dispose: server.stop };
  },
  { manyKeys: 1100, largeBytes: LARGE_BYTES, lacks: { 'object lock': 'rclone’s server has none' } },
);

storeContract(
  'S3 (versitygw) with versions and object lock',
  async () => {
    const server = await startGateway(bin);
    await makeLockedBucket(server.endpoint);
    return { store: await openS3Store(at(server.endpoint, 'locked/prefix'), { credentials }), dispose: server.stop };
  },
  { largeBytes: LARGE_BYTES },
);

/** A bucket whose objects can be locked; that takes versions. */
async function makeLockedBucket(endpoint: string): Promise<void> {
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
  client.destroy();
}

describe('the S3 store and a server with troubles', () => {
  let server: Gateway;
  before(async () => {
    server = await startGateway(bin);
  });
  after(async () => server.stop());

  test('shares a bucket with others by its prefix', async () => {
    const one = await openS3Store(at(server.endpoint, 'bucket/one'), { credentials });
    const other = await openS3Store(at(server.endpoint, 'bucket/one-more'), { credentials });
    await one.put('config', Buffer.from('1'));
    await other.put('config', Buffer.from('2'));
    assert.deepEqual(await keysOf(one, ''), ['config']);
    assert.equal((await one.get('config')).toString(), '1');
  });

  test('a wrong secret is access denied', async () => {
    const store = await openS3Store(at(server.endpoint), { credentials: { ...credentials, secretAccessKey: 'wrong' } });
    await assert.rejects(store.put('a', Buffer.from('x')), withCode('StoreAccessDenied'));
    await assert.rejects(store.get('a'), withCode('StoreAccessDenied'));
    await assert.rejects(keysOf(store, ''), withCode('StoreAccessDenied'));
  });

  test('a bucket that does not exist is named', async () => {
    const store = await openS3Store(at(server.endpoint, 'no-such-bucket/x'), { credentials });
    for (const call of [
      async () => store.put('a', Buffer.from('x')),
      async () => store.get('a'),
      async () => store.head('a'),
      async () => keysOf(store, ''),
    ]) {
      await assert.rejects(call(), (error: unknown) => {
        assert.ok(error instanceof SalvorError);
        assert.equal(error.code, 'StoreNotFound', error.message);
        assert.match(`${error.hint}`, /no-such-bucket/);
        return true;
      });
    }
  });

  test('a server that is not there is unreachable, and may be tried again', async () => {
    const store = await openS3Store(at(`http://127.0.0.1:${await freePort()}`), { credentials });
    await assert.rejects(store.head('a'), (error: unknown) => {
      assert.ok(error instanceof SalvorError);
      assert.deepEqual([error.code, error.retryable], ['StoreUnreachable', true], error.message);
      return true;
    });
  });

  test('openStore decorates: what is written through it is there', async () => {
    const store = await openStore({ location: `s3://bucket/open?endpoint=${server.endpoint}`, credentials });
    await store.put('a', Buffer.from('x'));
    assert.equal((await store.get('a')).toString(), 'x');
    assert.match(store.location, /^s3:\/\/bucket\/open at http:/);
    await store.close();
  });
});
