import type { KubeClient } from '#kube/client';
import type { Repository } from '#repository/types';
import { messageOf } from '#shared/errors';
import type { Clock } from '#shared/time';
import type { MoverContext } from './ensure-mover.ts';
import type { StepEvent } from './execute.ts';
import { takeLease } from './lease.ts';
import { sweep } from './leftovers.ts';
import { applicationLabel, labelValue, objectName, runLabels } from './names.ts';
import { ensureMoverSecret, ensureSystemNamespace } from './staging.ts';
import type { MoverSecrets } from './staging.ts';

/** After a failure or Ctrl-C a run cleans up; it may not hang there. */
const cleanUpTimeoutMs = 120_000;

/** What every run is given, whatever it does. */
export interface RunRequest {
  readonly client: KubeClient;
  readonly repository: Repository;
  /** The store as pods reach it; may differ from how this machine does. */
  readonly storeLocation: string;
  readonly moverImage: string;
  readonly secrets: MoverSecrets;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEvent?: (event: StepEvent) => void;
  readonly onNote?: (note: string) => void;
}

export interface Run {
  /** The application's namespace. One run at a time works on it. */
  readonly application: string;
  /** On everything the run makes. */
  readonly name: string;
  /** A label to take off the application's claims at the end. */
  readonly claimLabel?: string;
  /** What else is to be removed at the end, given a label selector for everything of this application. */
  readonly cleanUp?: (selector: string, signal: AbortSignal) => Promise<void>;
}

/**
 * Does work that only one run may do at a time: holds the application's lease and a lock on the repository, removes
 * what a killed run left before, and what this one made after, whatever happens. The work must stop when its
 * context's signal aborts.
 */
export async function withRun<T>(
  request: RunRequest,
  run: Run,
  work: (context: MoverContext) => Promise<T>,
): Promise<T> {
  const { client, clock, onNote } = request;
  const { application } = run;
  await ensureSystemNamespace(client, request.signal);
  const lease = await takeLease(client, {
    name: objectName('salvor', application),
    holder: run.name,
    what: `application ${application}`,
    signal: request.signal,
    clock,
    ...(onNote === undefined ? {} : { onWaiting: onNote }),
  });
  await using _lease = givenBack(lease, `lease ${objectName('salvor', application)}`);
  const lock = await request.repository.lock('shared', request.signal);
  await using _lock = givenBack(lock, 'lock on the repository');
  const signal = AbortSignal.any([request.signal, lease.lost, lock.lost]);
  const selector = `${applicationLabel}=${labelValue(application)}`;
  const leftovers = {
    selector,
    namespace: application,
    ...(run.claimLabel === undefined ? {} : { claimLabel: run.claimLabel }),
  };
  await using _cleaner = { [Symbol.asyncDispose]: async () => cleanUp() };
  // The lease says that no other run is alive: whatever is there was left by one that was killed.
  await sweep(client, { ...leftovers, signal });
  const labels = { ...runLabels(run.name), [applicationLabel]: labelValue(application) };
  const moverSecret = objectName('salvor', run.name);
  await ensureMoverSecret(client, moverSecret, labels, request.secrets, signal);
  // Awaited here: the scope must not end before the work.
  return await work({
    client,
    labels,
    moverImage: request.moverImage,
    moverSecret,
    storeLocation: request.storeLocation,
    signal,
  });

  /** Both expire by themselves: a server that is gone by then must not hide how the run ended. */
  function givenBack(held: AsyncDisposable, what: string): AsyncDisposable {
    return {
      [Symbol.asyncDispose]: async () => {
        try {
          await held[Symbol.asyncDispose]();
        } catch (error) {
          onNote?.(`Clean-up: the ${what} could not be given back; it expires by itself: ${messageOf(error)}`);
        }
      },
    };
  }

  /** Never throws: the run's own error is the one to tell. What could not be removed is told as a note. */
  async function cleanUp(): Promise<void> {
    const bound = AbortSignal.timeout(cleanUpTimeoutMs);
    const problems = await sweep(client, { ...leftovers, signal: bound }).catch((error: unknown) => [messageOf(error)]);
    try {
      await run.cleanUp?.(selector, bound);
    } catch (error) {
      problems.push(messageOf(error));
    }
    for (const problem of problems) {
      onNote?.(
        `Clean-up: ${problem}. The next run tries again; or see: kubectl get jobs,pvc,pv,volumesnapshots -A -l ${selector}`,
      );
    }
  }
}
