import type { S3Client } from '@aws-sdk/client-s3';
import type { Retry } from '../retry.ts';
import type { CallOptions, Store } from '../store.ts';
import type { S3Timing } from './client.ts';
import { credentialsError, isClockSkewCorrected, isExpired } from './s3-errors.ts';
import type { S3Attempt } from './s3-errors.ts';

/** A bucket, or a folder of one, and how it is talked to. */
export interface S3Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  /** Ends in a slash, or is empty. */
  readonly prefix: string;
  readonly location: string;
  readonly caFile: string | undefined;
  readonly timing: S3Timing;
  /** For the parts of a large upload: what was read of a stream cannot be read again by who called. */
  readonly retry: Retry;
  /** For a stream that turns out to be short, for the same reason: a put of bytes with retries. */
  readonly putBytes: Store['put'];
  /** Learnt from the first refusal: buckets with a default retention take no upload without Content-MD5. */
  wantsMd5: boolean;
}

/** For messages: what is tried, and the right it needs on which resource. */
export function attemptOf(s3: S3Bucket, action: string, doing: string): S3Attempt {
  const { bucket, caFile } = s3;
  const ofBucket = action === 's3:ListBucket';
  const resource = `arn:aws:s3:::${bucket}${ofBucket ? '' : `/${s3.prefix}*`}`;
  return { action, resource, doing: `${doing} ${s3.location}`, bucket, caFile };
}

/**
 * Makes one call under its deadline. What the deadline ends is a timeout; what the caller ends is his abort. A wrong clock
 * and credentials that expired before their time are mended, and the call is made once more.
 */
export async function call<T>(
  s3: S3Bucket,
  options: CallOptions | undefined,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  options?.signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(s3.timing.callMs);
  const signal = options?.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  try {
    const used = await credentialsOf(s3, signal, false);
    try {
      return await send(signal);
    } catch (error) {
      if (!isClockSkewCorrected(error) && !(isExpired(error) && (await areRenewed(s3, used, signal)))) throw error;
      return await send(signal);
    }
  } catch (error) {
    options?.signal?.throwIfAborted();
    if (deadline.aborted) throw deadline.reason;
    throw error;
  }
}

interface Identity {
  readonly accessKeyId: string;
  readonly sessionToken?: string | undefined;
}

/** Another call may have renewed them already; else the source is asked, whatever its memory says. */
async function areRenewed(s3: S3Bucket, used: Identity, signal: AbortSignal): Promise<boolean> {
  const differ = (now: Identity): boolean =>
    now.accessKeyId !== used.accessKeyId || now.sessionToken !== used.sessionToken;
  return differ(await credentialsOf(s3, signal, false)) || differ(await credentialsOf(s3, signal, true));
}

/** Asked apart from the request, because an error of STS is not one of the bucket; and the SDK gives it no bound in time. */
async function credentialsOf(s3: S3Bucket, signal: AbortSignal, forceRefresh: boolean): Promise<Identity> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([s3.client.config.credentials({ forceRefresh }), aborted.promise]);
  } catch (error) {
    if (signal.aborted) throw error;
    throw credentialsError(error, s3.location);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
