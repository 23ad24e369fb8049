import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { piecesOf } from '../body.ts';
import { tooLarge } from '../errors.ts';
import type { ObjectBody, PutOptions } from '../store.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { head } from './get.ts';
import { lockFields } from './object-lock.ts';
import { md5Of, withCondition, withMd5IfWanted } from './put-whole.ts';
import { isUploadMissing, notS3, s3Error, statusOf } from './s3-errors.ts';

/** S3 takes parts from 5 MiB; these fill a fast line, and a broken one costs little. */
const PART_BYTES = 16 * 1024 * 1024;
/** S3's bound. */
const PARTS_MAX = 10_000;
/** Parts on their way at a time: with the one being filled, 80 MiB of memory for a stream of any length. */
const PARTS_AT_ONCE = 4;
/** 156 GiB. */
export const OBJECT_BYTES_MAX = PART_BYTES * PARTS_MAX;
/** Cleaning up must not hold up the error that made it necessary. */
const ABORT_MS_MAX = 10_000;

interface Part {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer;
}

/** The object that is being written; the signal ends all of it. */
interface Target {
  readonly s3: S3Bucket;
  readonly key: string;
  readonly options: PutOptions;
}

interface Upload extends Target {
  readonly uploadId: string;
}

/** Writes a large object or a stream; a short stream goes in one request. What was sent of a failed upload is removed. */
export async function putInParts(s3: S3Bucket, key: string, body: ObjectBody, options?: PutOptions): Promise<boolean> {
  const stopping = new AbortController();
  const signal = options?.signal === undefined ? stopping.signal : AbortSignal.any([options.signal, stopping.signal]);
  const target: Target = { s3, key, options: { ...options, signal } };
  const parts = partsOf(target, body);
  try {
    const first = await parts.next();
    if (first.done === true) return await s3.putBytes(key, Buffer.alloc(0), options);
    const second = await parts.next();
    if (second.done === true) return await s3.putBytes(key, first.value.bytes, options);
    const upload = await begin(target);
    try {
      return await complete(upload, await sendAll(upload, resumed([first.value, second.value], parts), stopping));
    } catch (error) {
      await abandon(upload);
      throw error;
    }
  } finally {
    // A source that was not read to its end has something to close.
    await parts.return();
  }
}

/** The body in parts of equal size, the last one shorter; throws when there are more than S3 takes. */
async function* partsOf({ s3, key, options }: Target, body: ObjectBody): AsyncGenerator<Part, void> {
  let number = 0;
  let part = Buffer.allocUnsafe(0);
  let filled = 0;
  for await (const piece of piecesOf(body, options)) {
    for (let taken = 0; taken < piece.length;) {
      if (filled === part.length) {
        if (filled > 0) yield { number: ++number, bytes: part };
        if (number === PARTS_MAX) throw tooLarge(s3.location, key, OBJECT_BYTES_MAX);
        part = Buffer.allocUnsafe(PART_BYTES);
        filled = 0;
      }
      const take = Math.min(piece.length - taken, part.length - filled);
      part.set(piece.subarray(taken, taken + take), filled);
      filled += take;
      taken += take;
    }
  }
  if (filled > 0) yield { number: number + 1, bytes: part.subarray(0, filled) };
}

async function* resumed(read: readonly Part[], rest: AsyncIterable<Part>): AsyncGenerator<Part, void> {
  yield* read;
  yield* rest;
}

async function begin(target: Target): Promise<Upload> {
  const { s3, key, options } = target;
  const command = new CreateMultipartUploadCommand({ ...objectOf(target), ...lockFields(options.retention) });
  const attempt = attemptOf(s3, 's3:PutObject', `writing ${key} in parts to`);
  const answer = await s3.retry.run(async () => {
    try {
      return await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
    } catch (error) {
      throw s3Error(error, attempt);
    }
  }, options.signal);
  if (answer.UploadId === undefined) throw notS3(attempt);
  return { ...target, uploadId: answer.UploadId };
}

/** Sends several parts at a time; the first failure ends the others, and the reading of the body. */
async function sendAll(upload: Upload, parts: AsyncGenerator<Part>, stopping: AbortController): Promise<SentPart[]> {
  const sent: SentPart[] = [];
  const worker = async (): Promise<void> => {
    try {
      for (let step = await parts.next(); step.done !== true; step = await parts.next()) {
        sent.push(await send(upload, step.value));
      }
    } catch (error) {
      stopping.abort(error);
    }
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
  stopping.signal.throwIfAborted();
  return sent.toSorted((a, b) => a.number - b.number);
}

interface SentPart {
  readonly number: number;
  readonly size: number;
  readonly tag: string;
}

async function send(upload: Upload, { number, bytes }: Part): Promise<SentPart> {
  const { s3, key, options } = upload;
  const attempt = attemptOf(s3, 's3:PutObject', `writing part ${number} of ${key} to`);
  const answer = await s3.retry.run(async () => {
    try {
      return await withMd5IfWanted(s3, options, async (md5) => {
        const command = new UploadPartCommand({
          ...objectOf(upload),
          UploadId: upload.uploadId,
          PartNumber: number,
          Body: bytes,
          ContentLength: bytes.length,
          ...(md5 ? { ContentMD5: md5Of(bytes) } : {}),
        });
        return call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
      });
    } catch (error) {
      throw s3Error(error, attempt);
    }
  }, options.signal);
  if (answer.ETag === undefined) throw notS3(attempt);
  return { number, size: bytes.length, tag: answer.ETag };
}

/** Makes the object visible, with all its parts. Answers false if there is one and `ifAbsent` was asked for. */
async function complete(upload: Upload, sent: readonly SentPart[]): Promise<boolean> {
  const { s3, key, options, uploadId } = upload;
  const attempt = attemptOf(s3, 's3:PutObject', `finishing ${key} in`);
  const Parts = sent.map(({ number, tag }) => ({ PartNumber: number, ETag: tag }));
  const size = sent.reduce((sum, part) => sum + part.size, 0);
  return s3.retry.run(async (count) => {
    try {
      await withCondition(options.ifAbsent === true, async (condition) => {
        const command = new CompleteMultipartUploadCommand({
          ...objectOf(upload),
          UploadId: uploadId,
          MultipartUpload: { Parts },
          ...condition,
        });
        return call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
      });
      return true;
    } catch (error) {
      // The answer to an earlier attempt was lost: then the upload is gone because it is the object now.
      if (count > 1 && isUploadMissing(error) && (await head(s3, key, options))?.size === size) return true;
      if (options.ifAbsent === true && statusOf(error) === 412) {
        await abandon(upload);
        return false;
      }
      throw s3Error(error, attempt);
    }
  }, options.signal);
}

/** Parts of an unfinished upload cost money and no listing shows them. If this fails, too, the bucket's own rule has to remove them. */
async function abandon(upload: Upload): Promise<void> {
  const { s3, uploadId } = upload;
  const command = new AbortMultipartUploadCommand({ ...objectOf(upload), UploadId: uploadId });
  const bound = { signal: AbortSignal.timeout(ABORT_MS_MAX) };
  await call(s3, bound, async (signal) => s3.client.send(command, { abortSignal: signal })).catch(() => undefined);
}

function objectOf({ s3, key }: Target): { Bucket: string; Key: string } {
  return { Bucket: s3.bucket, Key: s3.prefix + key };
}
