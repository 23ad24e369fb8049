/**
 * Errors that a user can act on. The code is stable: it equals the condition reason, the anchor in the
 * docs and the key of the exit code table.
 */

/** Exit codes of the command line (docs/reference/exit-codes.md): one per answer a script needs. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  notFound: 4,
  refused: 5,
  store: 10,
  lock: 11,
  key: 12,
  cluster: 13,
  timeout: 124,
  cancelled: 130,
} as const;

/** Every code an error can have, with the exit code of the command it ends. */
const codes = {
  // usage and input
  Usage: exitCodes.usage,
  InvalidInput: exitCodes.usage,
  // stores
  StoreUnreachable: exitCodes.store,
  StoreAccessDenied: exitCodes.store,
  StoreNotFound: exitCodes.store,
  StoreObjectMissing: exitCodes.store,
  StoreFull: exitCodes.store,
  StoreCorrupt: exitCodes.store,
  StoreFailed: exitCodes.store,
  // repositories
  RepositoryMissing: exitCodes.store,
  RepositoryExists: exitCodes.refused,
  RepositoryCorrupt: exitCodes.store,
  RepositoryUnsupported: exitCodes.store,
  RepositoryLocked: exitCodes.lock,
  KeyWrong: exitCodes.key,
  KeyMissing: exitCodes.key,
  // cluster
  ClusterUnreachable: exitCodes.cluster,
  ClusterForbidden: exitCodes.cluster,
  ClusterRefused: exitCodes.failed,
  ClusterConflict: exitCodes.failed,
  NotFound: exitCodes.notFound,
  SnapshotClassMissing: exitCodes.refused,
  SnapshotFailed: exitCodes.failed,
  MoverFailed: exitCodes.failed,
  RunInProgress: exitCodes.refused,
  TargetExists: exitCodes.refused,
  Unsafe: exitCodes.refused,
  // results
  Partial: exitCodes.partial,
  SourceUnreadable: exitCodes.failed,
  RestoreFailed: exitCodes.failed,
  Prerequisite: exitCodes.failed,
  Timeout: exitCodes.timeout,
  Cancelled: exitCodes.cancelled,
  Internal: exitCodes.failed,
} as const;

export type ErrorCode = keyof typeof codes;

export interface ErrorOptionsWithCode {
  readonly code: ErrorCode;
  /** What the user should do, one sentence in the imperative. */
  readonly hint?: string;
  /** True when the same call may succeed if it is simply made again. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** An error with a code, a remedy and a verdict on retrying. The message names the object that failed. */
export class SalvorError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(message: string, options: ErrorOptionsWithCode) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SalvorError';
    this.code = options.code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}

/** The exit code of a command that ended with this error. Unknown errors are failures. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof SalvorError) return codes[error.code];
  return isAbort(error) ? exitCodes.cancelled : exitCodes.failed;
}

/** True for the error that an aborted signal raises (also when wrapped as a cause). */
export function isAbort(error: unknown): boolean {
  if (error instanceof SalvorError) return error.code === 'Cancelled';
  return error instanceof Error && (error.name === 'AbortError' || isAbort(error.cause));
}

/** The messages of an error and its causes, outermost first, without stack traces; at most 8 deep. */
export function messagesOf(error: unknown): string[] {
  const messages: string[] = [];
  let current = error;
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth++) {
    messages.push(messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages;
}

/** One line of text for anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The error codes that end a command with this exit code. */
export function codesByExit(exitCode: number): ErrorCode[] {
  return (Object.keys(codes) as ErrorCode[]).filter((code) => codes[code] === exitCode);
}
