import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { SalvorError } from '#shared/errors';
import { checkPrefix, isKey } from '../keys.ts';
import type { CallOptions, ObjectInfo } from '../store.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { notS3, s3Error } from './s3-errors.ts';

/** S3's own bound on a page. */
const PAGE_KEYS_MAX = 1000;

/** All objects below the prefix, page by page. Names that are no keys of ours ("folders" of consoles) are passed over. */
export async function* list(s3: S3Bucket, prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
  checkPrefix(prefix);
  let token: string | undefined;
  do {
    const page = await listPage(s3, { prefix, keysMax: PAGE_KEYS_MAX, token }, options);
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      const key = Key?.slice(s3.prefix.length);
      if (key === undefined || !isKey(key)) continue;
      yield { key, size: Size ?? 0, ...(LastModified === undefined ? {} : { modifiedMs: LastModified.getTime() }) };
    }
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && (next === undefined || next === token)) {
      throw new SalvorError(`${s3.location} does not say how its list goes on, or lists the same page again`, {
        code: 'StoreFailed',
        hint: 'The server does not page lists as S3 does: update it, or use another.',
      });
    }
    token = next;
  } while (token !== undefined);
}

/** Throws `StoreNotFound` if there is no such bucket: the answer to HEAD has no body, so it cannot tell that from a missing object. */
export async function refuseMissingBucket(s3: S3Bucket, options: CallOptions | undefined): Promise<void> {
  await listPage(s3, { prefix: '', keysMax: 1, token: undefined }, options);
}

interface PageRequest {
  readonly prefix: string;
  readonly keysMax: number;
  readonly token: string | undefined;
}

async function listPage(
  s3: S3Bucket,
  request: PageRequest,
  options?: CallOptions,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({
    Bucket: s3.bucket,
    Prefix: s3.prefix + request.prefix,
    MaxKeys: request.keysMax,
    ...(request.token === undefined ? {} : { ContinuationToken: request.token }),
  });
  const attempt = attemptOf(s3, 's3:ListBucket', 'listing');
  try {
    const page = await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
    // A proxy's page read as a list would be an empty one: a store full of data would look new.
    if (page.IsTruncated === undefined && page.Name === undefined) throw notS3(attempt);
    return page;
  } catch (error) {
    throw s3Error(error, attempt);
  }
}
