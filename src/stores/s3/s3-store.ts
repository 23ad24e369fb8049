import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { checkKey } from '../keys.ts';
import { formatLocation } from '../location.ts';
import type { S3Location } from '../location.ts';
import type { S3Credentials } from '../open.ts';
import { createRetry } from '../retry.ts';
import type { Retry } from '../retry.ts';
import type { CallOptions, Store } from '../store.ts';
import { withRetry } from '../with-retry.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { createClient, defaultTiming } from './client.ts';
import type { S3Timing } from './client.ts';
import { get, head } from './get.ts';
import { list } from './listing.ts';
import { extendRetention, retentionOf } from './object-lock.ts';
import { put } from './put.ts';
import { isObjectMissing, s3Error } from './s3-errors.ts';

export interface S3Options {
  /** Without them the SDK's default chain is asked. */
  readonly credentials?: S3Credentials | undefined;
  readonly timing?: S3Timing;
  /** Of the requests that a stream becomes; other calls are made once, and `withRetry` repeats them. */
  readonly retry?: Retry;
}

/** A bucket, or a folder of one, as a store. Does not talk to it yet. Throws `InvalidInput` if the caFile cannot be used. */
export async function openS3Store(where: S3Location, options: S3Options = {}): Promise<Store> {
  const timing = options.timing ?? defaultTiming;
  const retry = options.retry ?? createRetry();
  const s3: S3Bucket = {
    client: await createClient(where, options.credentials, timing),
    bucket: where.bucket,
    prefix: where.prefix === '' ? '' : `${where.prefix}/`,
    location: formatLocation(where),
    caFile: where.caFile,
    timing,
    retry,
    putBytes: async (key, body, putOptions) => withRetry(store, retry).put(key, body, putOptions),
    wantsMd5: false,
  };
  const store: Store = {
    location: s3.location,
    put: async (key, body, putOptions) => put(s3, key, body, putOptions),
    get: async (key, getOptions) => get(s3, key, getOptions),
    head: async (key, callOptions) => head(s3, key, callOptions),
    list: (prefix, callOptions) => list(s3, prefix, callOptions),
    delete: async (key, callOptions) => remove(s3, key, callOptions),
    async close() {
      s3.client.destroy();
    },
    objectLock: {
      extendRetention: async (key, retention, callOptions) => extendRetention(s3, { key, retention }, callOptions),
      retentionOf: async (key, callOptions) => retentionOf(s3, key, callOptions),
    },
  };
  return store;
}

/** In a bucket with versions this adds a delete marker: the object is gone for readers, and its versions are kept. */
async function remove(s3: S3Bucket, key: string, options?: CallOptions): Promise<void> {
  checkKey(key);
  const command = new DeleteObjectCommand({ Bucket: s3.bucket, Key: s3.prefix + key });
  try {
    await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
  } catch (error) {
    if (isObjectMissing(error)) return;
    throw s3Error(error, attemptOf(s3, 's3:DeleteObject', `deleting ${key} from`));
  }
}
