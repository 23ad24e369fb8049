import { waitFor } from '#shared/async';
import { SalvorError } from '#shared/errors';

/** How long to wait for a condition. */
export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Whether the condition comes true in time: the rules say what its absence means, so it is no error. */
export async function settles(condition: () => Promise<boolean>, patience: Patience): Promise<boolean> {
  try {
    return await waitFor(async () => ((await condition()) ? true : undefined), {
      what: 'the shop to settle',
      ...patience,
    });
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'Timeout') return false;
    throw error;
  }
}
