import { SalvorError } from '#shared/errors';

/** What a message may quote of a hostile file before it floods a log. */
const MESSAGE_LENGTH_MAX = 1000;

/** The store gave something that cannot be what was written. The message says where. */
export function corrupt(message: string, cause?: unknown): SalvorError {
  return new SalvorError(oneLine(message), {
    code: 'RepositoryCorrupt',
    hint: 'Verify the repository, and restore the damaged object from a copy if there is one.',
    cause,
  });
}

/** Text with names from a repository in it, fit for a terminal and a log: bounded, nothing that ends lines or reorders them. */
export function oneLine(text: string): string {
  const shown = text
    .slice(0, MESSAGE_LENGTH_MAX)
    .replaceAll(
      /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
      (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    );
  const isWhole = text.length <= MESSAGE_LENGTH_MAX && shown.length <= MESSAGE_LENGTH_MAX;
  return isWhole ? shown : `${shown.slice(0, MESSAGE_LENGTH_MAX)}...`;
}
