import { rm } from 'node:fs/promises';
import { step } from '../setup/progress.ts';
import { layoutOf } from './layout.ts';
import { removeLeftovers } from './leftovers.ts';
import { findInit } from './lifecycle.ts';
import { findPlace, releasePlace } from './registry.ts';
import { askLab, withLabLock, type LabContext } from './running.ts';

/** Every component may take 5 s to end, and the chain of dependents is four long. */
const shutdownTimeoutMs = 30_000;

/** Stops a lab and removes what it leaves on the machine; with purge its state too. A lab that does not exist is done with. */
export async function tearDown(context: LabContext, { purge }: { readonly purge: boolean }): Promise<void> {
  const { name, onProgress, signal } = context;
  await withLabLock(context, async () => {
    const place = await findPlace(name);
    if (place === undefined) return;
    const layout = layoutOf(place);
    await step(onProgress, `Stopping lab ${name}${purge ? ' and removing its state' : ''}`, async () => {
      if ((await findInit(layout)) !== undefined) {
        // What does not end by itself in time is ended below.
        await askLab(layout, { op: 'shutdown' }, { signal, timeoutMs: shutdownTimeoutMs }).catch(() => {});
        signal?.throwIfAborted();
      }
      await removeLeftovers(layout, signal);
      await rm(layout.run, { recursive: true, force: true });
      if (!purge) return;
      await rm(layout.state, { recursive: true, force: true });
      await releasePlace(name);
    });
  });
}
