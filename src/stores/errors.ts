import { formatBytes } from '#shared/bytes';
import { SalvorError } from '#shared/errors';

/** There is no such object. */
export function objectMissing(location: string, key: string, cause?: unknown): SalvorError {
  return new SalvorError(`There is no object ${key} in ${location}`, { code: 'StoreObjectMissing', cause });
}

/** The object ends before the range that was asked for. Reading it again gives the same. */
export function pastTheEnd(location: string, key: string, got: number, wanted: number): SalvorError {
  return new SalvorError(`${location} has only ${got} of the ${wanted} bytes that were asked for of ${key}`, {
    code: 'StoreCorrupt',
    hint: 'Verify the repository: the object is truncated, or is not what its index says.',
  });
}

/** The connection or the file ended before the bytes that were announced. Another try may get them all. */
export function cutShort(location: string, key: string, got: number, wanted: number): SalvorError {
  return new SalvorError(`${location} gave ${got} of ${wanted} bytes of ${key} and ended`, {
    code: 'StoreCorrupt',
    retryable: true,
    hint: 'Check the network and the server; then verify the repository.',
  });
}

/** More than this kind of store takes in one object, or gives in one read. */
export function tooLarge(location: string, key: string, bytesMax: number): SalvorError {
  return new SalvorError(`${key} in ${location} is larger than ${formatBytes(bytesMax)}`, {
    code: 'InvalidInput',
    hint: 'Write it as several objects, or read it in ranges.',
  });
}

/** The store has no object lock; a retention that cannot be kept must not be promised. */
export function noObjectLock(location: string): SalvorError {
  return new SalvorError(`${location} has no object lock: nothing can be kept from deletion there`, {
    code: 'InvalidInput',
    hint: 'Use a bucket that was created with object lock, or ask for no retention.',
  });
}
