import { join } from 'node:path';
import { mapLimit } from '#shared/async';
import type { Binaries } from '../setup/binaries.ts';
import type { ImageSet } from '../setup/images.ts';
import { withFileLock } from '../setup/lock.ts';
import { step } from '../setup/progress.ts';
import type { LabStatus } from './control.ts';
import { importImages } from './import-images.ts';
import { layoutOf, stateRoot, type Layout } from './layout.ts';
import { removeLeftovers } from './leftovers.ts';
import { findInit, fingerprintOf, prepareState, startInit, type StartInputs } from './lifecycle.ts';
import { joinLabs, type RunningLab } from './peers.ts';
import { waitUntilReady } from './readiness.ts';
import { claimPlace, findPlace, listPlaces } from './registry.ts';
import { askLab, findRunning, withLabLock, type LabContext } from './running.ts';
import { ensureBucket } from './store.ts';

/** What `prepareLab` has made. */
export interface Prepared {
  readonly binaries: Binaries;
  readonly images: ImageSet;
}

/** Starts a lab, or goes on with one that runs, and returns when all of it is ready. */
export async function bringUp(context: LabContext, prepared: Prepared, bucket: string): Promise<void> {
  await withLabLock(context, async () => {
    const lab = await findRunning(context.name).then(
      (found) => resume(context, found, prepared.binaries),
      () => start(context, prepared.binaries),
    );
    await joinOthers(context, lab);
    const imports = async (signal: AbortSignal): Promise<void> =>
      importImages({ ...lab, ...prepared, onProgress: context.onProgress, signal });
    const readiness = async (signal: AbortSignal): Promise<void> => waitUntilReady({ ...context, signal }, lab.layout);
    await mapLimit([imports, readiness], 2, (work, signal) => work(signal), context.signal);
    await ensureBucket(lab.layout, bucket, context.signal);
  });
}

/** A lab that runs: leave it if it answers, else end it and start again on its state. */
async function resume(context: LabContext, lab: RunningLab, binaries: Binaries): Promise<RunningLab> {
  const { name, onProgress, signal } = context;
  const answer = await askLab<LabStatus>(lab.layout, { op: 'status' }, { signal }).catch(() => undefined);
  signal?.throwIfAborted();
  if (answer === undefined) {
    onProgress({ kind: 'note', what: `lab ${name} runs but does not answer: it is started again on its state` });
    return start(context, binaries);
  }
  if (answer.fingerprint !== fingerprintOf(inputsOf(context, lab.layout, binaries))) {
    onProgress({ kind: 'note', what: `lab ${name} runs an older set-up; "down" and "up" would renew it` });
  }
  return lab;
}

async function start(context: LabContext, binaries: Binaries): Promise<RunningLab> {
  const { name, onProgress, signal } = context;
  const known = await findPlace(name);
  if (known !== undefined) await removeLeftovers(layoutOf(known), signal);
  const layout = layoutOf(await claimPlace(name, { signal, renewPorts: true }));
  const inputs = inputsOf(context, layout, binaries);
  const initPid = await step(onProgress, `Starting lab ${name}: namespaces, network, storage pool`, async () => {
    await prepareState(inputs);
    return startInit(inputs);
  });
  return { layout, initPid };
}

/** Under one lock for all labs, or two that start at once would not see each other. */
async function joinOthers({ name, signal }: LabContext, lab: RunningLab): Promise<void> {
  await withFileLock(join(stateRoot, 'locks', 'peers.lock'), { signal }, async () => {
    for (const place of await listPlaces()) {
      const layout = layoutOf(place);
      const initPid = place.name === name ? undefined : await findInit(layout);
      if (initPid === undefined) continue;
      try {
        await joinLabs(lab, { layout, initPid }, signal);
      } catch (error) {
        // The other lab may have ended meanwhile; it joins us when it starts.
        if ((await findInit(layout)) === initPid) throw error;
      }
    }
  });
}

function inputsOf({ cache, signal }: LabContext, layout: Layout, binaries: Binaries): StartInputs {
  return { layout, cache, binaries, nodeBinary: process.execPath, signal };
}
