import { waitFor } from '#shared/async';
import { messageOf } from '#shared/errors';
import type { ServiceContext } from './service.ts';

/**
 * How long a service waits for the servers it needs. After a restore the slowest of them replays its log first;
 * when the time is over the process ends and is started again, so this bounds one attempt, not the wait.
 */
const startTimeoutMs = 5 * 60_000;

/** Does the first work with a server, again and again until it succeeds. */
export async function whenUp<T>(server: string, work: () => Promise<T>, context: ServiceContext): Promise<T> {
  let last = '';
  const result = await waitFor(
    async () => {
      try {
        return { value: await work() };
      } catch (error) {
        const message = messageOf(error);
        if (message !== last) context.log(`waiting for ${server}`, { error: message });
        last = message;
        return undefined;
      }
    },
    { what: server, timeoutMs: startTimeoutMs, intervalMs: 500, signal: context.signal },
  );
  return result.value;
}
