import { join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { withFileLock } from '../setup/lock.ts';
import type { OnProgress } from '../setup/progress.ts';
import { askControl, type Request } from './control.ts';
import { layoutOf, stateRoot, type Layout } from './layout.ts';
import { findInit } from './lifecycle.ts';
import type { RunningLab } from './peers.ts';
import { findPlace } from './registry.ts';

/** A lab that answers does so at once, even with every probe timing out. */
export const controlTimeoutMs = 10_000;

/** What every operation on a lab needs to know. */
export interface LabContext {
  readonly name: string;
  readonly cache: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

/** The layout of a lab that was made once. */
export async function findLayout(name: string): Promise<Layout> {
  const place = await findPlace(name);
  if (place !== undefined) return layoutOf(place);
  throw new SalvorError(`There is no lab "${name}"`, {
    code: 'NotFound',
    hint: `Make it with "npm run lab -- up --name ${name}".`,
  });
}

/** A lab whose init lives; whether it answers is another question. */
export async function findRunning(name: string): Promise<RunningLab> {
  const layout = await findLayout(name);
  const initPid = await findInit(layout);
  if (initPid !== undefined) return { layout, initPid };
  throw new SalvorError(`Lab "${name}" does not run`, {
    code: 'ClusterUnreachable',
    hint: `Start it with "npm run lab -- up --name ${name}".`,
  });
}

/** Asks a running lab's supervisor, with a bound. */
export async function askLab<T>(
  layout: Layout,
  request: Request,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number } = {},
): Promise<T> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? controlTimeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  return askControl<T>(layout.control, request, signal);
}

/** One command at a time changes a lab. */
export async function withLabLock<T>({ name, onProgress, signal }: LabContext, work: () => Promise<T>): Promise<T> {
  const onWait = (): void => onProgress({ kind: 'note', what: `waiting for another command on lab ${name}` });
  return withFileLock(join(stateRoot, 'locks', name), { signal, onWait }, work);
}
