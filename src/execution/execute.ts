import { systemClock } from '#shared/async';
import { SalvorError, isAbort } from '#shared/errors';
import type { Clock } from '#shared/time';

/** What a step answers when it is asked to be done. Asked again while it is waiting; asking twice does no harm. */
export type Outcome<T> =
  | { readonly state: 'done'; readonly value: T }
  | Waiting
  | { readonly state: 'failed'; readonly error: SalvorError };

export interface Waiting {
  readonly state: 'waiting';
  readonly why: string;
  readonly afterMs: number;
  readonly progress?: StepProgress;
  /** Give up sooner than the plan's bound when nothing changes: the answer looks like a fault. */
  readonly patienceMs?: number;
}

export interface StepProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly storedBytes?: number;
}

export function done<T>(value: T): Outcome<T> {
  return { state: 'done', value };
}

export function waiting(why: string, afterMs = 300, more: Pick<Waiting, 'progress' | 'patienceMs'> = {}): Waiting {
  return { state: 'waiting', why, afterMs, ...more };
}

export function failed(error: SalvorError): Outcome<never> {
  return { state: 'failed', error };
}

export interface PlanStep {
  readonly id: string;
  readonly title: string;
  /** Steps that must have succeeded. */
  readonly dependsOn: readonly string[];
  /** Steps that must only have ended. */
  readonly after?: readonly string[];
}

/** How a step ended. `blocked`: a step it depends on did not succeed. */
export type StepResult<T> =
  | { readonly state: 'done'; readonly value: T }
  | { readonly state: 'failed'; readonly error: SalvorError }
  | { readonly state: 'blocked'; readonly by: string };

export type StepEvent = { readonly id: string; readonly title: string; readonly elapsedMs: number } & (
  | { readonly state: 'started' | 'done' }
  | { readonly state: 'waiting'; readonly why: string; readonly progress?: StepProgress }
  | { readonly state: 'failed'; readonly error: SalvorError }
  | { readonly state: 'blocked'; readonly by: string }
);

export interface ExecuteOptions {
  readonly signal: AbortSignal;
  readonly onEvent?: (event: StepEvent) => void;
  readonly clock?: Clock;
  /** A step that waits longer than this without any sign of progress has failed. */
  readonly stalledAfterMs: number;
}

export type Ensure<S extends PlanStep, T> = (
  step: S,
  results: ReadonlyMap<string, StepResult<T>>,
  signal: AbortSignal,
) => Promise<Outcome<T>>;

/**
 * Runs the steps of a plan in the order of their dependencies, all that can run at once together. A failed
 * step blocks what depends on it and nothing else. Throws only when the signal aborts; failures are results.
 */
export async function execute<S extends PlanStep, T>(
  steps: readonly S[],
  ensure: Ensure<S, T>,
  options: ExecuteOptions,
): Promise<Map<string, StepResult<T>>> {
  const results = new Map<string, StepResult<T>>();
  const running = new Map<string, Promise<void>>();
  const open = new Set(steps);
  const settle = async (id: string, run: Promise<StepResult<T>>): Promise<void> => {
    results.set(id, await run);
    running.delete(id);
  };
  while (open.size > 0) {
    options.signal.throwIfAborted();
    for (const step of open) {
      const next = readiness(step, results);
      if (next === 'not yet') continue;
      open.delete(step);
      const run =
        next === 'ready'
          ? runStep(step, ensure, results, options)
          : Promise.resolve(block<T>(step, next.blockedBy, options));
      running.set(step.id, settle(step.id, run));
    }
    if (running.size === 0)
      throw new SalvorError(`The plan has steps that can never run: ${[...open].map((step) => step.id).join(', ')}`, {
        code: 'Internal',
      });
    try {
      await Promise.race(running.values());
    } catch (error) {
      await Promise.allSettled(running.values());
      throw error;
    }
  }
  await Promise.all(running.values());
  return results;
}

function readiness<T>(
  step: PlanStep,
  results: ReadonlyMap<string, StepResult<T>>,
): 'ready' | 'not yet' | { readonly blockedBy: string } {
  for (const id of step.dependsOn) {
    const result = results.get(id);
    if (result !== undefined && result.state !== 'done') return { blockedBy: id };
  }
  const ended = [...step.dependsOn, ...(step.after ?? [])].every((id) => results.has(id));
  return ended ? 'ready' : 'not yet';
}

function block<T>(step: PlanStep, by: string, options: ExecuteOptions): StepResult<T> {
  options.onEvent?.({ id: step.id, title: step.title, elapsedMs: 0, state: 'blocked', by });
  return { state: 'blocked', by };
}

async function runStep<S extends PlanStep, T>(
  step: S,
  ensure: Ensure<S, T>,
  results: ReadonlyMap<string, StepResult<T>>,
  options: ExecuteOptions,
): Promise<StepResult<T>> {
  const clock = options.clock ?? systemClock;
  const startedMs = clock.now();
  const report = (event: EventBody): void =>
    options.onEvent?.({ id: step.id, title: step.title, elapsedMs: clock.now() - startedMs, ...event });
  let lastSign = '';
  let lastSignMs = startedMs;
  report({ state: 'started' });
  for (;;) {
    options.signal.throwIfAborted();
    const outcome = await attempt(step, ensure, results, options.signal);
    if (outcome.state === 'done') {
      report({ state: 'done' });
      return outcome;
    }
    const stalled =
      outcome.state === 'waiting' && clock.now() - lastSignMs > (outcome.patienceMs ?? options.stalledAfterMs)
        ? stalledError(outcome.why, clock.now() - lastSignMs)
        : undefined;
    if (outcome.state === 'failed' || stalled !== undefined) {
      const error = outcome.state === 'failed' ? outcome.error : (stalled as SalvorError);
      report({ state: 'failed', error });
      return { state: 'failed', error };
    }
    const sign = `${outcome.why} ${outcome.progress?.doneBytes ?? 0}`;
    if (sign !== lastSign) {
      lastSign = sign;
      lastSignMs = clock.now();
      report({
        state: 'waiting',
        why: outcome.why,
        ...(outcome.progress === undefined ? {} : { progress: outcome.progress }),
      });
    }
    await clock.sleep(outcome.afterMs, options.signal);
  }
}

type EventBody =
  | { readonly state: 'started' | 'done' }
  | { readonly state: 'waiting'; readonly why: string; readonly progress?: StepProgress }
  | { readonly state: 'failed'; readonly error: SalvorError };

async function attempt<S extends PlanStep, T>(
  step: S,
  ensure: Ensure<S, T>,
  results: ReadonlyMap<string, StepResult<T>>,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  try {
    return await ensure(step, results, signal);
  } catch (error) {
    if (signal.aborted || isAbort(error)) throw error;
    return failed(
      error instanceof SalvorError
        ? error
        : new SalvorError(`Step ${step.title} failed unexpectedly`, { code: 'Internal', cause: error }),
    );
  }
}

function stalledError(why: string, sinceMs: number): SalvorError {
  return new SalvorError(`No progress for ${Math.round(sinceMs / 1000)} s, waiting for ${why}`, {
    code: 'Timeout',
    hint: 'Look at the pods and events in namespace salvor-system: kubectl -n salvor-system get pods,events',
  });
}
