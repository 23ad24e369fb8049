import { SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';
import type { KubeRequest } from './client.ts';

/** A message of the API server can hold a whole object; the first line tells enough. */
const messageLengthMax = 600;

/** Turns a `Status` answer of the API server into an error that names the object and the remedy. */
export function statusError(statusCode: number, body: Buffer, request: KubeRequest): SalvorError {
  const message = statusMessage(body) ?? `HTTP ${statusCode}`;
  const verb = `${request.method} ${request.path}`;
  const { code, hint, retryable } = meaning(statusCode, message, verb);
  return new SalvorError(message, { code, retryable, ...(hint === undefined ? {} : { hint }) });
}

interface Meaning {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly hint?: string;
}

function meaning(statusCode: number, message: string, verb: string): Meaning {
  switch (statusCode) {
    case 401:
      return {
        code: 'ClusterForbidden',
        retryable: false,
        hint: 'Log in to the cluster again; check with: kubectl auth whoami',
      };
    case 403:
      // Quota, admission and namespaces that end answer 403 too, but no missing role will help there.
      return /exceeded quota|admission webhook|violates PodSecurity|is being terminated/.test(message)
        ? { code: 'ClusterRefused', retryable: false }
        : { code: 'ClusterForbidden', retryable: false, hint: `Grant the right to ${verb} to this user.` };
    case 404:
      return { code: 'NotFound', retryable: false };
    case 409:
      return { code: 'ClusterConflict', retryable: false };
    case 410:
      return { code: 'ClusterRefused', retryable: false, hint: 'The list expired while it was read: run again.' };
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return { code: 'ClusterUnreachable', retryable: true };
    default:
      return { code: 'ClusterRefused', retryable: false };
  }
}

function statusMessage(body: Buffer): string | undefined {
  const text = body.toString('utf8');
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === 'object' && status !== null && 'message' in status && typeof status.message === 'string') {
      return status.message.slice(0, messageLengthMax);
    }
  } catch {
    // Proxies answer in HTML or plain text: shown as it is.
  }
  const line = text.trim().split('\n')[0] ?? '';
  return line === '' ? undefined : line.slice(0, messageLengthMax);
}
