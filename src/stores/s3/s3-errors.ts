import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';

/** What was tried, for messages: "writing config to s3://bucket/prefix". */
export interface S3Attempt {
  /** The S3 action in IAM's words: the right that may be missing. */
  readonly action: string;
  /** On what, as policies name it: `arn:aws:s3:::bucket/prefix/*`. */
  readonly resource: string;
  readonly doing: string;
  readonly bucket: string;
  /** The file of authorities that the location names. */
  readonly caFile: string | undefined;
}

interface Verdict {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable?: boolean;
}

const full: Verdict = { code: 'StoreFull', hint: 'Free space in the store, or raise its quota.' };
const oversized: Verdict = {
  code: 'StoreFull',
  hint: 'The server takes no objects of this size: raise its bound, or use another server.',
};
const overloaded: Verdict = { code: 'StoreFailed', hint: 'The server is overloaded or ill.', retryable: true };
const unreachable: Verdict = {
  code: 'StoreUnreachable',
  hint: 'Check the endpoint (host, port, http or https), the network, and whether the server runs.',
  retryable: true,
};
const damagedOnTheWay: Verdict = {
  code: 'StoreFailed',
  hint: 'What arrived is not what was sent: look at the network, the memory of both machines, and proxies between them.',
  retryable: true,
};
const brokenOff: Verdict = {
  code: 'StoreUnreachable',
  hint: 'The server broke off in the middle of the body, as some do that refuse it: look at its log, its quota, and its bound on sizes.',
  retryable: true,
};
const expired: Verdict = {
  code: 'StoreAccessDenied',
  hint: 'The credentials have expired, and their source gives no newer ones: get new ones.',
};
const skewed: Verdict = {
  code: 'StoreAccessDenied',
  hint: 'Set the clock of this machine or of the server: they are minutes apart, also after a correction by what the server says.',
};

const unlockable: Verdict = {
  code: 'InvalidInput',
  hint: 'Use a bucket that was created with object lock, or ask for no retention.',
};

type Judge = (attempt: S3Attempt, error: unknown) => Verdict;

/** Names of errors in S3's answers (Amazon S3 API reference, "Error responses") that say more than the HTTP status. */
const verdictsByName: Readonly<Record<string, Judge>> = {
  NoSuchBucket: ({ bucket }) => ({ code: 'StoreNotFound', hint: `Create the bucket ${bucket}, or correct its name.` }),
  InvalidAccessKeyId: () => ({
    code: 'StoreAccessDenied',
    hint: 'The server does not know this access key: correct it.',
  }),
  SignatureDoesNotMatch: () => ({ code: 'StoreAccessDenied', hint: 'The secret key does not fit the access key.' }),
  ExpiredToken: () => expired,
  TokenRefreshRequired: () => expired,
  RequestTimeTooSkewed: () => skewed,
  RequestExpired: () => skewed,
  PermanentRedirect: wrongRegion,
  TemporaryRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  QuotaExceeded: () => full,
  XMinioStorageFull: () => full,
  XMinioAdminBucketQuotaExceeded: () => full,
  ServiceQuotaExceededException: () => full,
  EntityTooLarge: () => oversized,
  // A body that arrived otherwise than it was signed: the line flipped a bit.
  BadDigest: () => damagedOnTheWay,
  XAmzContentSHA256Mismatch: () => damagedOnTheWay,
  XAmzContentChecksumMismatch: () => damagedOnTheWay,
  SlowDown: () => overloaded,
  RequestTimeout: () => overloaded,
  InternalError: () => overloaded,
};

/** Codes of Node for connections that could not be made or broke. */
const connectionErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
]);

const certificateErrors = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_)/;
const notTls = /^(EPROTO|ERR_SSL_)/;

/** Translates what the SDK threw. Aborts by the caller pass unchanged. */
export function s3Error(error: unknown, attempt: S3Attempt): unknown {
  if (error instanceof SalvorError) return error;
  const verdict = judge(error, attempt);
  if (verdict === undefined && isAbort(error)) return error;
  const reason = saysNothing(error) ? `HTTP ${statusOf(error)}` : messageOf(error);
  const message = `Failed ${attempt.doing}: ${reason}`;
  // The SDK's word for an answer without a body is noise as a cause.
  const cause = saysNothing(error) ? {} : { cause: error };
  return new SalvorError(message, { ...(verdict ?? { code: 'StoreFailed' }), ...cause });
}

/** The answer is none of an S3 server. Believed, it could make a store full of data look empty, or an upload look done. */
export function notS3(attempt: S3Attempt): SalvorError {
  return new SalvorError(`Failed ${attempt.doing}: the answer does not come from an S3 server`, {
    code: 'StoreFailed',
    hint: 'Check the endpoint, and look for a proxy, a login page or a web console that answers instead.',
  });
}

/** No credentials could be had: from the environment, a file, STS, the instance. */
export function credentialsError(error: unknown, location: string): SalvorError {
  const transient = isTransient(error);
  return new SalvorError(`Failed getting credentials for ${location}: ${messageOf(error)}`, {
    code: transient ? 'StoreUnreachable' : 'StoreAccessDenied',
    retryable: transient,
    hint: transient
      ? 'The service that gives credentials (STS, the instance, the container) does not answer.'
      : 'Give an access key, or make one of the sources of the AWS SDK work here: a profile, a web identity, an instance role.',
    cause: error,
  });
}

function judge(error: unknown, attempt: S3Attempt): Verdict | undefined {
  const byName = verdictsByName[fieldOf(error, 'name') ?? '']?.(attempt, error);
  if (byName !== undefined) return byName;
  const errno = fieldOf(error, 'code') ?? '';
  const isReset = errno === 'ECONNRESET' || errno === 'EPIPE';
  if (isReset && attempt.action === 's3:PutObject') return brokenOff;
  if (connectionErrors.has(errno) || fieldOf(error, 'name') === 'TimeoutError') return unreachable;
  if (certificateErrors.test(errno)) return untrusted(errno, attempt);
  if (notTls.test(errno)) return { code: 'StoreUnreachable', hint: 'The server does not speak TLS: use http://.' };
  if (hasNoObjectLock(error)) return unlockable;
  // What the SDK throws before it sends anything.
  if (messageOf(error) === 'Region is missing') return { code: 'InvalidInput', hint: 'Give the region as ?region=.' };
  return judgeStatus(error, attempt);
}

function judgeStatus(error: unknown, attempt: S3Attempt): Verdict | undefined {
  const status = statusOf(error);
  if (status === 401 || status === 403) {
    // Without a body (HEAD) the answer does not say whether the key is wrong or a right is missing.
    const rights = `allow ${attempt.action} on ${attempt.resource}`;
    const hint = saysNothing(error) ? `Check the access key and its secret, and ${rights}.` : `A${rights.slice(1)}.`;
    return { code: 'StoreAccessDenied', hint };
  }
  if (status === 301 || status === 307) return wrongRegion(attempt, error);
  if (status === 507) return full;
  if (status === 413) return oversized;
  // 409: another conditional write of the same key is under way.
  if (status === 408 || status === 409 || status === 429 || (status !== undefined && status >= 500)) return overloaded;
  return undefined;
}

function wrongRegion(_attempt: S3Attempt, error: unknown): Verdict {
  const region = regionOf(error);
  const hint =
    region === undefined
      ? 'The bucket is in another region: give it as ?region=.'
      : `The bucket is in the region ${region}: add ?region=${region} to the location.`;
  return { code: 'StoreNotFound', hint };
}

function untrusted(errno: string, { caFile }: S3Attempt): Verdict {
  const hint = (): string => {
    if (errno === 'CERT_HAS_EXPIRED') return 'The certificate of the server has expired: renew it.';
    if (errno === 'ERR_TLS_CERT_ALTNAME_INVALID') {
      return 'The certificate is for another host: use a name that it holds, or renew it with this one.';
    }
    return caFile === undefined
      ? 'The certificate of the server is not trusted: give the authority that signed it as ?caFile=.'
      : `The certificate of the server is signed by none of the authorities in the caFile ${caFile}: correct the file.`;
  };
  return { code: 'StoreUnreachable', hint: hint() };
}

/** Only the names and statuses of S3 and STS that pass by themselves. */
function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status === 429 || status >= 500;
  return connectionErrors.has(fieldOf(error, 'code') ?? '') || fieldOf(error, 'name') === 'TimeoutError';
}

/** The server refused the time of the request, and the SDK has noted the server's time since: the next request has it. */
export function isClockSkewCorrected(error: unknown): boolean {
  return metadataOf(error)?.['clockSkewCorrected'] === true && [400, 403].includes(statusOf(error) ?? 0);
}

/** The session's token is over. The answer to HEAD does not say so: there it is a 400 without a word. */
export function isExpired(error: unknown): boolean {
  const name = fieldOf(error, 'name');
  if (name === 'ExpiredToken' || name === 'ExpiredTokenException' || name === 'TokenRefreshRequired') return true;
  return statusOf(error) === 400 && saysNothing(error);
}

/** The server takes this object only with a checksum in its headers. */
export function wantsMd5(error: unknown): boolean {
  return statusOf(error) === 400 && /content-md5|x-amz-checksum/i.test(messageOf(error));
}

/** The SDK found no error in the answer, only its status. */
function saysNothing(error: unknown): boolean {
  return statusOf(error) !== undefined && messageOf(error) === 'UnknownError';
}

/** The HTTP status of an answer that was an error. */
export function statusOf(error: unknown): number | undefined {
  const status = metadataOf(error)?.['httpStatusCode'];
  return typeof status === 'number' ? status : undefined;
}

function metadataOf(error: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  return typeof metadata === 'object' && metadata !== null ? { ...metadata } : undefined;
}

/** The object, not the bucket, is what is missing. */
export function isObjectMissing(error: unknown): boolean {
  const name = fieldOf(error, 'name');
  return name === 'NoSuchKey' || (statusOf(error) === 404 && name !== 'NoSuchBucket');
}

/** The upload in parts is finished or was given up. */
export function isUploadMissing(error: unknown): boolean {
  return fieldOf(error, 'name') === 'NoSuchUpload';
}

/** The object is not under retention, or the bucket has no object lock. */
export function isUnlocked(error: unknown): boolean {
  const name = fieldOf(error, 'name');
  return name === 'NoSuchObjectLockConfiguration' || name === 'ObjectLockConfigurationNotFoundError';
}

/** The bucket was made without object lock. */
function hasNoObjectLock(error: unknown): boolean {
  return statusOf(error) === 400 && /missing object ?lock/i.test(messageOf(error));
}

/** The region that the bucket is in, if the answer tells it in its body or its headers. */
function regionOf(error: unknown): string | undefined {
  const region = fieldOf(error, 'Region');
  if (region !== undefined) return region;
  const response = typeof error === 'object' && error !== null && '$response' in error ? error.$response : undefined;
  const headers = typeof response === 'object' && response !== null && 'headers' in response ? response.headers : {};
  return fieldOf(headers, 'x-amz-bucket-region');
}

function fieldOf(error: unknown, field: string): string | undefined {
  if (typeof error !== 'object' || error === null || !(field in error)) return undefined;
  const value = (error as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'string' ? value : undefined;
}
