import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';

/** What was tried, for messages: "writing config to s3://bucket/prefix". */
export interface S3Attempt {
  /** The S3 action in IAM's words: the right that may be missing. */
  readonly action: string;
  readonly doing: string;
  readonly bucket: string;
}

interface Verdict {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable?: boolean;
}

/** Names of errors in S3's answers (Amazon S3 API reference, "Error responses") that say more than the HTTP status. */
const verdictsByName: Readonly<Record<string, (attempt: S3Attempt) => Verdict>> = {
  NoSuchBucket: ({ bucket }) => ({ code: 'StoreNotFound', hint: `Create the bucket ${bucket}, or correct its name.` }),
  InvalidAccessKeyId: () => ({
    code: 'StoreAccessDenied',
    hint: 'The server does not know this access key: correct it.',
  }),
  SignatureDoesNotMatch: () => ({ code: 'StoreAccessDenied', hint: 'The secret key does not fit the access key.' }),
  ExpiredToken: () => ({ code: 'StoreAccessDenied', hint: 'The credentials have expired: get new ones.' }),
  CredentialsProviderError: () => ({
    code: 'StoreAccessDenied',
    hint: 'No credentials were found: give an access key, or run where the AWS SDK finds some.',
  }),
  RequestTimeTooSkewed: () => ({
    code: 'StoreAccessDenied',
    hint: 'Set the clock of this machine: it is minutes off.',
  }),
  PermanentRedirect: () => wrongRegion,
  AuthorizationHeaderMalformed: () => wrongRegion,
  QuotaExceeded: () => full,
  XMinioStorageFull: () => full,
  ServiceQuotaExceededException: () => full,
  SlowDown: () => overloaded,
  RequestTimeout: () => overloaded,
  InternalError: () => overloaded,
};

const wrongRegion: Verdict = { code: 'StoreNotFound', hint: 'The bucket is in another region: give it as ?region=.' };
const full: Verdict = { code: 'StoreFull', hint: 'Free space in the store, or raise its quota.' };
const overloaded: Verdict = { code: 'StoreFailed', hint: 'The server is overloaded or ill.', retryable: true };
const unreachable: Verdict = {
  code: 'StoreUnreachable',
  hint: 'Check the endpoint, the network and whether the server runs.',
  retryable: true,
};
const untrusted: Verdict = {
  code: 'StoreUnreachable',
  hint: 'The certificate of the server is not trusted: add its authority to NODE_EXTRA_CA_CERTS.',
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

function judge(error: unknown, attempt: S3Attempt): Verdict | undefined {
  const byName = verdictsByName[fieldOf(error, 'name') ?? '']?.(attempt);
  if (byName !== undefined) return byName;
  const errno = fieldOf(error, 'code') ?? '';
  if (connectionErrors.has(errno) || fieldOf(error, 'name') === 'TimeoutError') return unreachable;
  if (certificateErrors.test(errno)) return untrusted;
  const status = statusOf(error);
  if (status === 401 || status === 403) {
    // Without a body (HEAD) the answer does not say whether the key is wrong or a right is missing.
    const rights = `allow ${attempt.action} on the bucket ${attempt.bucket}`;
    const hint = saysNothing(error) ? `Check the access key and its secret, and ${rights}.` : `A${rights.slice(1)}.`;
    return { code: 'StoreAccessDenied', hint };
  }
  if (status === 301 || status === 307) return wrongRegion;
  if (status === 507) return full;
  // 409: another conditional write of the same key is under way.
  if (status === 408 || status === 409 || status === 429 || (status !== undefined && status >= 500)) return overloaded;
  return undefined;
}

/** The SDK found no error in the answer, only its status. */
function saysNothing(error: unknown): boolean {
  return statusOf(error) !== undefined && messageOf(error) === 'UnknownError';
}

/** The HTTP status of an answer that was an error. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** The object, not the bucket, is what is missing. */
export function isObjectMissing(error: unknown): boolean {
  const name = fieldOf(error, 'name');
  return name === 'NoSuchKey' || (statusOf(error) === 404 && name !== 'NoSuchBucket');
}

function fieldOf(error: unknown, field: 'name' | 'code'): string | undefined {
  if (typeof error !== 'object' || error === null || !(field in error)) return undefined;
  const value = (error as Record<typeof field, unknown>)[field];
  return typeof value === 'string' ? value : undefined;
}
