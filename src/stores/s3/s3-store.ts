import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { SalvorError } from '#shared/errors';
import { cutShort, objectMissing, pastTheEnd } from '../errors.ts';
import { checkKey, checkPrefix, checkRange } from '../keys.ts';
import { formatLocation } from '../location.ts';
import type { S3Location } from '../location.ts';
import type { S3Credentials } from '../open.ts';
import type { CallOptions, GetOptions, ObjectInfo, PutOptions, Store } from '../store.ts';
import { isObjectMissing, s3Error, statusOf } from './s3-errors.ts';
import type { S3Attempt } from './s3-errors.ts';

/** The SDK does not retry: the decorator does, with jitter and a bound on the whole. */
const SDK_ATTEMPTS_MAX = 1;

const CONNECT_MS_MAX = 5_000;
/** A server that says nothing for so long is treated as gone. */
const SILENCE_MS_MAX = 30_000;
/** The whole call, however steadily it trickles: 64 MiB in five minutes is 220 KB/s. */
const CALL_MS_MAX = 300_000;

/** Connections kept open: more than the limiter lets through, so that a call never waits for a socket. */
const SOCKETS_MAX = 32;

export interface S3Timing {
  readonly connectMs: number;
  readonly silenceMs: number;
  readonly callMs: number;
}

const defaultTiming: S3Timing = { connectMs: CONNECT_MS_MAX, silenceMs: SILENCE_MS_MAX, callMs: CALL_MS_MAX };

interface S3Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  /** Ends in a slash, or is empty. */
  readonly prefix: string;
  readonly location: string;
  readonly timing: S3Timing;
}

/** A bucket, or a folder of one, as a store. Without credentials the SDK's default chain is asked. */
export function openS3Store(
  where: S3Location,
  credentials: S3Credentials | undefined,
  timing: S3Timing = defaultTiming,
): Store {
  const bucket: S3Bucket = {
    client: createClient(where, credentials, timing),
    bucket: where.bucket,
    prefix: where.prefix === '' ? '' : `${where.prefix}/`,
    location: formatLocation(where),
    timing,
  };
  return {
    location: bucket.location,
    put: async (key, body, options) => put(bucket, key, body, options),
    get: async (key, options) => get(bucket, key, options),
    head: async (key, options) => head(bucket, key, options),
    list: (prefix, options) => list(bucket, prefix, options),
    delete: async (key, options) => remove(bucket, key, options),
    async close() {
      bucket.client.destroy();
    },
  };
}

function createClient(where: S3Location, credentials: S3Credentials | undefined, timing: S3Timing): S3Client {
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const config: S3ClientConfig = {
    forcePathStyle: where.style === 'path',
    maxAttempts: SDK_ATTEMPTS_MAX,
    // The default adds trailing checksums that many S3-compatible servers do not understand; ids are checksums anyway.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: timing.connectMs,
      socketTimeout: timing.silenceMs,
      requestTimeout: timing.callMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...(where.endpoint === undefined ? {} : { endpoint: where.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  };
  // Servers other than AWS accept any region, but signing needs one.
  const region = where.region ?? (where.endpoint === undefined ? undefined : 'us-east-1');
  return new S3Client(region === undefined ? config : { ...config, region });
}

async function put(s3: S3Bucket, key: string, body: Uint8Array, options?: PutOptions): Promise<boolean> {
  checkKey(key);
  const input = { Bucket: s3.bucket, Key: s3.prefix + key, Body: body, ContentLength: body.length };
  const attempt = attemptOf(s3, 's3:PutObject', `writing ${key} to`);
  const send = async (ifAbsent: boolean): Promise<void> => {
    const command = new PutObjectCommand(ifAbsent ? { ...input, IfNoneMatch: '*' } : input);
    await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
  };
  try {
    if (options?.ifAbsent !== true) {
      await send(false);
      return true;
    }
    // A server that ignores the condition would overwrite: looking first leaves only a short moment for that.
    if ((await head(s3, key, options)) !== undefined) return false;
    await sendIfAbsent(send);
    return true;
  } catch (error) {
    if (options?.ifAbsent === true && statusOf(error) === 412) return false;
    throw s3Error(error, attempt);
  }
}

/** Some servers answer that they do not implement the condition: then the look before has to do, and two writers in the same moment can collide. */
async function sendIfAbsent(send: (ifAbsent: boolean) => Promise<void>): Promise<void> {
  try {
    await send(true);
  } catch (error) {
    if (statusOf(error) !== 501) throw error;
    await send(false);
  }
}

async function get(s3: S3Bucket, key: string, options?: GetOptions): Promise<Buffer> {
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
      const announced = answer.ContentLength;
      const wanted = length ?? announced;
      if (wanted !== undefined && announced !== undefined && announced < wanted) {
        throw pastTheEnd(s3.location, key, announced, wanted);
      }
      const whole = await readBody(answer.Body as Readable, { wanted, signal });
      if (wanted !== undefined && whole.length < wanted) throw cutShort(s3.location, key, whole.length, wanted);
      return whole;
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

/** Reads a body into memory; the signal also ends one that stalls after its headers. */
async function readBody(body: Readable, limit: { wanted: number | undefined; signal: AbortSignal }): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of addAbortSignal(limit.signal, body) as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (limit.wanted !== undefined && received > limit.wanted) {
      throw new SalvorError(`The server sent more than the ${limit.wanted} bytes it was asked for`, {
        code: 'StoreFailed',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, received);
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

async function head(s3: S3Bucket, key: string, options?: CallOptions): Promise<ObjectInfo | undefined> {
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

/** The answer to HEAD has no body, so it cannot tell a missing object from a missing bucket; a listing of one can. */
async function refuseMissingBucket(s3: S3Bucket, options: CallOptions | undefined): Promise<void> {
  for await (const _page of pages(s3, { prefix: '', pageSize: 1, onlyFirst: true }, options)) return;
}

async function* list(s3: S3Bucket, prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
  checkPrefix(prefix);
  for await (const page of pages(s3, { prefix, pageSize: 1000, onlyFirst: false }, options)) yield* page;
}

interface Paging {
  readonly prefix: string;
  readonly pageSize: number;
  readonly onlyFirst: boolean;
}

async function* pages(s3: S3Bucket, paging: Paging, options?: CallOptions): AsyncIterable<ObjectInfo[]> {
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: s3.bucket,
      Prefix: s3.prefix + paging.prefix,
      MaxKeys: paging.pageSize,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const page = await listPage(s3, command, options);
    yield (page.Contents ?? []).flatMap(({ Key, Size, LastModified }) => {
      // "Folders" that consoles make are empty objects whose names end in a slash.
      if (Key === undefined || Key.endsWith('/')) return [];
      const info = { key: Key.slice(s3.prefix.length), size: Size ?? 0 };
      return [LastModified === undefined ? info : { ...info, modifiedMs: LastModified.getTime() }];
    });
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (next !== undefined && next === token) {
      throw new SalvorError(`${s3.location} lists the same page again and again`, { code: 'StoreFailed' });
    }
    token = next;
  } while (token !== undefined && !paging.onlyFirst);
}

async function listPage(s3: S3Bucket, command: ListObjectsV2Command, options: CallOptions | undefined) {
  try {
    return await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
  } catch (error) {
    throw s3Error(error, attemptOf(s3, 's3:ListBucket', 'listing'));
  }
}

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

/** Runs one call under its deadline. What the deadline ends is a timeout; what the caller ends is his abort. */
async function call<T>(
  s3: S3Bucket,
  options: CallOptions | undefined,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  options?.signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(s3.timing.callMs);
  try {
    return await send(options?.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]));
  } catch (error) {
    options?.signal?.throwIfAborted();
    if (deadline.aborted) throw deadline.reason;
    throw error;
  }
}

function attemptOf(s3: S3Bucket, action: string, doing: string): S3Attempt {
  return { action, doing: `${doing} ${s3.location}`, bucket: s3.bucket };
}
