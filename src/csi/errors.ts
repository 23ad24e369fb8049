import { status } from '@grpc/grpc-js';

/** An answer of the CSI error scheme: a gRPC status code and a sentence that names the field or object. */
export class CsiError extends Error {
  readonly code: status;

  constructor(code: status, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CsiError';
    this.code = code;
  }
}

/** The request is wrong and stays wrong: names the field of the request. */
export const invalidArgument = (field: string, why: string): CsiError =>
  new CsiError(status.INVALID_ARGUMENT, `${field} ${why}`);

export const notFound = (what: string): CsiError => new CsiError(status.NOT_FOUND, `${what} does not exist`);

export const alreadyExists = (message: string): CsiError => new CsiError(status.ALREADY_EXISTS, message);

/** The object is not in a state in which this can be done; the caller changes the state first. */
export const failedPrecondition = (message: string): CsiError => new CsiError(status.FAILED_PRECONDITION, message);

/** Nothing was done; the same call may succeed a little later. */
export const aborted = (message: string, cause?: unknown): CsiError => new CsiError(status.ABORTED, message, cause);

export const outOfRange = (message: string): CsiError => new CsiError(status.OUT_OF_RANGE, message);

export const resourceExhausted = (message: string, cause?: unknown): CsiError =>
  new CsiError(status.RESOURCE_EXHAUSTED, message, cause);
