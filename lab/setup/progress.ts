import { messageOf } from '#shared/errors';
import { formatDuration } from '#shared/time';

/** What the set-up and the lab tell while they work. */
export type ProgressEvent =
  | { readonly kind: 'started'; readonly what: string }
  | { readonly kind: 'finished'; readonly what: string; readonly ms: number }
  | { readonly kind: 'failed'; readonly what: string; readonly reason: string; readonly ms: number }
  | { readonly kind: 'note'; readonly what: string };

export type OnProgress = (event: ProgressEvent) => void;

/** Does the work and tells when it started, and how it ended after how long. */
export async function step<T>(onProgress: OnProgress, what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  onProgress({ kind: 'started', what });
  try {
    const result = await work();
    onProgress({ kind: 'finished', what, ms: performance.now() - started });
    return result;
  } catch (error) {
    onProgress({ kind: 'failed', what, reason: messageOf(error), ms: performance.now() - started });
    throw error;
  }
}

/** One line of text per event, for a terminal or a log. Short steps tell only their end. */
export function textProgress(write: (line: string) => void): OnProgress {
  return (event) => {
    switch (event.kind) {
      case 'started':
        return write(`  … ${event.what}\n`);
      case 'finished':
        return write(`  ✓ ${event.what} (${formatDuration(event.ms)})\n`);
      case 'failed':
        return write(`  ✗ ${event.what}: ${event.reason} (${formatDuration(event.ms)})\n`);
      case 'note':
        return write(`    ${event.what}\n`);
    }
    event satisfies never;
  };
}

export const silent: OnProgress = () => {};
