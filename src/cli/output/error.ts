import { SalvorError, isAbort, messagesOf } from '#shared/errors';

/** An error as a person reads it: what failed, why in the cause's own words, what to do. At most three lines. */
export function formatError(thrown: unknown): string {
  const error = told(thrown);
  const [what, ...why] = messagesOf(error);
  const lines = [`Error: ${oneLine(what ?? 'unknown')}`];
  const reason = why.filter((message) => !what?.includes(message)).join(': ');
  if (reason !== '') lines.push(`Why:   ${oneLine(reason)}`);
  if (error instanceof SalvorError && error.hint !== undefined) lines.push(`Do:    ${error.hint}`);
  return lines.join('\n');
}

/** The same for scripts: the code is stable. */
export function errorRecord(thrown: unknown): object {
  const error = told(thrown);
  const known =
    error instanceof SalvorError
      ? { code: error.code, hint: error.hint, retryable: error.retryable }
      : { code: 'Internal' };
  return { message_type: 'error', ...known, messages: messagesOf(error) };
}

/** What the platform throws when a signal aborts says nothing to a user. */
function told(error: unknown): unknown {
  if (!isAbort(error) || error instanceof SalvorError) return error;
  return new SalvorError('Stopped before it was done', {
    code: 'Cancelled',
    hint: 'Run the same command again. What this run had made in the cluster is removed.',
  });
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').slice(0, 1_000);
}
