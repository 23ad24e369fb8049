import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#shared/errors';
import type { Log } from './log.ts';

/** How long an idle loop waits when nobody wakes it: rows that another process wrote are found this late. */
const idleMs = 500;
/** How long a loop waits after an error, so that a database that is down is not hammered. */
const errorMs = 1000;

export interface Loop {
  /** Says that there is work now. */
  wake(): void;
  /** Resolves when the loop has ended after its signal was aborted. */
  readonly done: Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Calls the step again and again until the signal aborts: at once after `true` (there may be more), else when woken or after a moment. */
export function startLoop(step: (signal: AbortSignal) => Promise<boolean>, options: LoopOptions): Loop {
  const { log, name, signal } = options;
  let woken = Promise.withResolvers<void>();
  const pause = async (ms: number): Promise<void> => {
    const timer = new AbortController();
    const waited = delay(ms, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined);
    await Promise.race([waited, woken.promise]);
    timer.abort();
    woken = Promise.withResolvers<void>();
  };
  const run = async (): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      try {
        const more = await step(signal);
        if (failing) log(`${name}: works again`);
        failing = false;
        if (!more) await pause(idleMs);
      } catch (error) {
        if (signal.aborted) return;
        if (!failing) log(`${name}: failed, trying again`, { error: messageOf(error) });
        failing = true;
        await delay(errorMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  return { wake: () => woken.resolve(), done: run() };
}
