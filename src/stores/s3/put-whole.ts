import { createHash } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { PutOptions } from '../store.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { lockFields } from './object-lock.ts';
import { notS3, s3Error, statusOf, wantsMd5 } from './s3-errors.ts';

/** Writes an object in one request; answers false if there is one and `ifAbsent` was asked for. */
export async function putWhole(s3: S3Bucket, key: string, body: Uint8Array, options?: PutOptions): Promise<boolean> {
  const attempt = attemptOf(s3, 's3:PutObject', `writing ${key} to`);
  try {
    const answer = await withCondition(options?.ifAbsent === true, async (condition) =>
      withMd5IfWanted(s3, options, async (md5) => {
        const command = new PutObjectCommand({
          Bucket: s3.bucket,
          Key: s3.prefix + key,
          Body: body,
          ContentLength: body.length,
          ...condition,
          ...lockFields(options?.retention),
          ...(md5 ? { ContentMD5: md5Of(body) } : {}),
        });
        if (options?.sha256 !== undefined) signWithHash(command, options.sha256);
        return call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
      }),
    );
    // What answers without a tag is a proxy or a web server: the object may be nowhere.
    if (answer.ETag === undefined) throw notS3(attempt);
    return true;
  } catch (error) {
    if (options?.ifAbsent === true && statusOf(error) === 412) return false;
    throw s3Error(error, attempt);
  }
}

/** Some servers answer that they do not implement the condition: then the look before has to do, and two writers in the same moment can collide. */
export async function withCondition<T>(
  ifAbsent: boolean,
  send: (condition: { IfNoneMatch?: '*' }) => Promise<T>,
): Promise<T> {
  if (!ifAbsent) return send({});
  try {
    return await send({ IfNoneMatch: '*' });
  } catch (error) {
    if (statusOf(error) !== 501) throw error;
    return send({});
  }
}

/** S3 wants a second checksum for objects that will be locked, be it by the request or by a default of the bucket. */
export async function withMd5IfWanted<T>(
  s3: S3Bucket,
  options: PutOptions | undefined,
  send: (md5: boolean) => Promise<T>,
): Promise<T> {
  const md5 = s3.wantsMd5 || options?.retention !== undefined;
  try {
    return await send(md5);
  } catch (error) {
    if (md5 || !wantsMd5(error)) throw error;
    s3.wantsMd5 = true;
    return send(true);
  }
}

/** The value of `Content-MD5`. */
export function md5Of(body: Uint8Array): string {
  return createHash('md5').update(body).digest('base64');
}

/** The signature covers the body's hash, and the server compares: half of the client's work is hashing. */
function signWithHash(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, { 'x-amz-content-sha256': sha256 });
      return next(args);
    },
    { step: 'build', name: 'knownContentHash' },
  );
}
