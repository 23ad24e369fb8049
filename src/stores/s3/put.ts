import { knownLength } from '../body.ts';
import { tooLarge } from '../errors.ts';
import { checkKey } from '../keys.ts';
import type { ObjectBody, PutOptions } from '../store.ts';
import type { S3Bucket } from './call.ts';
import { head } from './get.ts';
import { OBJECT_BYTES_MAX, putInParts } from './multipart.ts';
import { putWhole } from './put-whole.ts';

/**
 * Larger bodies go in parts. One request is simpler and leaves nothing behind when it fails, and packs (64 MiB and one
 * blob) are best off with it; but a large one that breaks near its end starts anew.
 */
const WHOLE_BYTES_MAX = 100 * 1024 * 1024;

/** Writes an object: in one request, or in parts if it is large or a stream that does not end soon. */
export async function put(s3: S3Bucket, key: string, body: ObjectBody, options?: PutOptions): Promise<boolean> {
  checkKey(key);
  options?.signal?.throwIfAborted();
  const length = knownLength(body, options);
  if (length !== undefined && length > OBJECT_BYTES_MAX) throw tooLarge(s3.location, key, OBJECT_BYTES_MAX);
  // A server that ignores the condition would overwrite: looking first leaves only a short moment for that.
  if (options?.ifAbsent === true && (await head(s3, key, options)) !== undefined) return false;
  if (body instanceof Uint8Array && body.length <= WHOLE_BYTES_MAX) return putWhole(s3, key, body, options);
  return putInParts(s3, key, body, options);
}
