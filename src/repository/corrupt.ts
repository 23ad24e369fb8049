import { SalvorError } from '#shared/errors';

/** The store gave something that cannot be what was written. The message says where. */
export function corrupt(message: string, cause?: unknown): SalvorError {
  return new SalvorError(message, {
    code: 'RepositoryCorrupt',
    hint: 'Verify the repository, and restore the damaged object from a copy if there is one.',
    cause,
  });
}
