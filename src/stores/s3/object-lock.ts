import { GetObjectRetentionCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { objectMissing } from '../errors.ts';
import { checkKey } from '../keys.ts';
import type { CallOptions, Retention } from '../store.ts';
import { attemptOf, call } from './call.ts';
import type { S3Bucket } from './call.ts';
import { head } from './get.ts';
import { isObjectMissing, isUnlocked, s3Error, statusOf } from './s3-errors.ts';

/** The headers that lock an object from its first moment. */
export function lockFields(
  retention: Retention | undefined,
): Pick<PutObjectCommandInput, 'ObjectLockMode' | 'ObjectLockRetainUntilDate'> {
  if (retention === undefined) return {};
  return { ObjectLockMode: modeName(retention.mode), ObjectLockRetainUntilDate: new Date(wholeSeconds(retention)) };
}

/** Keeps the newest version of an object at least until then. */
export async function extendRetention(
  s3: S3Bucket,
  target: { readonly key: string; readonly retention: Retention },
  options?: CallOptions,
): Promise<void> {
  const { key, retention } = target;
  checkKey(key);
  const command = new PutObjectRetentionCommand({
    Bucket: s3.bucket,
    Key: s3.prefix + key,
    Retention: { Mode: modeName(retention.mode), RetainUntilDate: new Date(wholeSeconds(retention)) },
  });
  try {
    await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
  } catch (error) {
    // S3 refuses to shorten with the word it has for a missing right: an object that is kept longer is kept long enough.
    if (statusOf(error) === 403 && isEnough(await retentionOf(s3, key, options), retention)) return;
    throw await missingOr(s3, key, { error, action: 's3:PutObjectRetention', options });
  }
}

/** How long the newest version of an object is kept; undefined if it is not. */
export async function retentionOf(s3: S3Bucket, key: string, options?: CallOptions): Promise<Retention | undefined> {
  checkKey(key);
  const command = new GetObjectRetentionCommand({ Bucket: s3.bucket, Key: s3.prefix + key });
  try {
    const answer = await call(s3, options, async (signal) => s3.client.send(command, { abortSignal: signal }));
    const { Mode, RetainUntilDate } = answer.Retention ?? {};
    if (Mode === undefined || RetainUntilDate === undefined) return undefined;
    return { mode: Mode === 'COMPLIANCE' ? 'compliance' : 'governance', untilMs: RetainUntilDate.getTime() };
  } catch (error) {
    if (isUnlocked(error)) return undefined;
    throw await missingOr(s3, key, { error, action: 's3:GetObjectRetention', options });
  }
}

interface Failure {
  readonly error: unknown;
  readonly action: string;
  readonly options: CallOptions | undefined;
}

async function missingOr(s3: S3Bucket, key: string, { error, action, options }: Failure): Promise<unknown> {
  if (isObjectMissing(error) && (await head(s3, key, options)) === undefined) {
    return objectMissing(s3.location, key, error);
  }
  return s3Error(error, attemptOf(s3, action, `locking ${key} in`));
}

function isEnough(now: Retention | undefined, wanted: Retention): boolean {
  return (
    now !== undefined && now.untilMs >= wanted.untilMs && !(now.mode === 'governance' && wanted.mode === 'compliance')
  );
}

function modeName(mode: Retention['mode']): 'GOVERNANCE' | 'COMPLIANCE' {
  return mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
}

/** Rounded up: S3 cuts the rest off, and an object must not be kept shorter than was asked. */
function wholeSeconds({ untilMs }: Retention): number {
  return Math.ceil(untilMs / 1000) * 1000;
}
