import { isAbort, messageOf, SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';

const codesByErrno: Readonly<Record<string, { code: ErrorCode; hint: string; retryable?: boolean }>> = {
  EACCES: { code: 'StoreAccessDenied', hint: 'Give the user that runs this the right to read and write the folder.' },
  EPERM: { code: 'StoreAccessDenied', hint: 'Give the user that runs this the right to read and write the folder.' },
  EROFS: { code: 'StoreAccessDenied', hint: 'The filesystem is mounted read-only: remount it writable.' },
  ENOSPC: { code: 'StoreFull', hint: 'Free space on the filesystem, or choose another store.' },
  EDQUOT: { code: 'StoreFull', hint: 'Raise the quota, or choose another store.' },
  EFBIG: { code: 'StoreFull', hint: 'The filesystem does not take files of this size.' },
  EIO: { code: 'StoreFailed', hint: 'Look at the kernel log: the disk or the network filesystem reports errors.' },
  ESTALE: { code: 'StoreUnreachable', hint: 'The NFS export changed: mount it again.', retryable: true },
  ETIMEDOUT: { code: 'StoreUnreachable', hint: 'The file server does not answer.', retryable: true },
  EHOSTDOWN: { code: 'StoreUnreachable', hint: 'The file server does not answer.', retryable: true },
  EMFILE: { code: 'StoreFailed', hint: 'Raise the limit of open files.', retryable: true },
};

/** Translates what a file call threw into an error that says which object of which folder failed, and what to do. */
export function diskError(error: unknown, doing: string): unknown {
  if (error instanceof SalvorError || isAbort(error)) return error;
  const errno = errnoOf(error);
  const known = errno === undefined ? undefined : codesByErrno[errno];
  return new SalvorError(`Failed ${doing}: ${messageOf(error)}`, { code: 'StoreFailed', ...known, cause: error });
}

/** `ENOENT` and the like, if the error is one of the system. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
