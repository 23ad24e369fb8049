import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { SalvorError } from '#shared/errors';
import { READ_BYTES_MAX } from '../body.ts';
import { cutShort, objectMissing, pastTheEnd, tooLarge } from '../errors.ts';
import { checkKey, checkRange } from '../keys.ts';
import type { CallOptions, GetOptions, ObjectInfo } from '../store.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { refuseMissingBucket } from './listing.ts';
import { isObjectMissing, s3Error, statusOf } from './s3-errors.ts';

/** Reads an object or a range of it into memory; answers all of the bytes or none. */
export async function get(s3: S3Bucket, key: string, options?: GetOptions): Promise<Buffer> {
  checkKey(key);
  const { offset = 0, length } = options ?? {};
  checkRange(offset, length);
  // An empty range cannot be said in HTTP.
  if (length === 0) return emptyRange(s3, key, offset, options);
  const range = rangeHeader(offset, length);
  const input = { Bucket: s3.bucket, Key: s3.prefix + key, ...(range === undefined ? {} : { Range: range }) };
  const attempt = attemptOf(s3, 's3:GetObject', `reading ${key} from`);
  try {
    return await call(s3, options, async (signal) => {
      const answer = await s3.client.send(new GetObjectCommand(input), { abortSignal: signal });
      const body = addAbortSignal(signal, answer.Body as Readable);
      try {
        const wanted = wantedBytes(s3.location, key, { length, announced: answer.ContentLength });
        const bytes = await (wanted === undefined ? readAll(body) : readExactly(body, wanted));
        if (wanted !== undefined && bytes.length < wanted) throw cutShort(s3.location, key, bytes.length, wanted);
        return bytes;
      } finally {
        // What is not read to its end would hold its connection until the silence is too long.
        body.destroy();
      }
    });
  } catch (error) {
    if (statusOf(error) === 416) return unsatisfiable(s3, key, options);
    if (isObjectMissing(error)) throw objectMissing(s3.location, key, error);
    throw s3Error(error, attempt);
  }
}

function rangeHeader(offset: number, length: number | undefined): string | undefined {
  if (offset === 0 && length === undefined) return undefined;
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`;
}

/** How many bytes have to come; undefined if neither the caller nor the server says. */
function wantedBytes(
  location: string,
  key: string,
  { length, announced }: { length: number | undefined; announced: number | undefined },
): number | undefined {
  const wanted = length ?? announced;
  if (wanted === undefined) return undefined;
  if (announced !== undefined && announced < wanted) throw pastTheEnd(location, key, announced, wanted);
  if (wanted > READ_BYTES_MAX) throw tooLarge(location, key, READ_BYTES_MAX);
  return wanted;
}

/** Into one buffer, so that the pieces are garbage at once and memory stays near the size of what is read. */
async function readExactly(body: Readable, wanted: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(wanted);
  let received = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    if (received + piece.length > wanted) throw tooMuch(wanted);
    received += piece.copy(bytes, received);
  }
  return bytes.subarray(0, received);
}

async function readAll(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let received = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    received += piece.length;
    if (received > READ_BYTES_MAX) throw tooMuch(READ_BYTES_MAX);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, received);
}

function tooMuch(wanted: number): SalvorError {
  return new SalvorError(`The server sent more than the ${wanted} bytes it was asked for`, { code: 'StoreFailed' });
}

/** "Range not satisfiable": the offset is at or past the end. */
async function unsatisfiable(s3: S3Bucket, key: string, options: GetOptions | undefined): Promise<Buffer> {
  const { offset = 0, length } = options ?? {};
  const info = await head(s3, key, options);
  if (info === undefined) throw objectMissing(s3.location, key);
  if (length === undefined) return Buffer.alloc(0);
  throw pastTheEnd(s3.location, key, Math.max(0, info.size - offset), length);
}

async function emptyRange(s3: S3Bucket, key: string, offset: number, options?: CallOptions): Promise<Buffer> {
  const info = await head(s3, key, options);
  if (info === undefined) throw objectMissing(s3.location, key);
  if (offset > info.size) throw pastTheEnd(s3.location, key, 0, 0);
  return Buffer.alloc(0);
}

/** An object's size and time; undefined if there is none. Throws `StoreNotFound` if there is no such bucket. */
export async function head(s3: S3Bucket, key: string, options?: CallOptions): Promise<ObjectInfo | undefined> {
  checkKey(key);
  const command = new HeadObjectCommand({ Bucket: s3.bucket, Key: s3.prefix + key });
  try {
    const answer = await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
    const modifiedMs = answer.LastModified?.getTime();
    return { key, size: answer.ContentLength ?? 0, ...(modifiedMs === undefined ? {} : { modifiedMs }) };
  } catch (error) {
    if (isObjectMissing(error)) {
      await refuseMissingBucket(s3, options);
      return undefined;
    }
    throw s3Error(error, attemptOf(s3, 's3:GetObject', `looking at ${key} in`));
  }
}
