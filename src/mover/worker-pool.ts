import { Worker, type Transferable } from 'node:worker_threads';
import { messagesOf, SalvorError, type ErrorCode } from '#shared/errors';
import { errnoError, errnoMessage, errnoOf } from './posix/libc.ts';

/**
 * Threads that do the work of one role. They get jobs and answer each; jobs and answers are structured clones, what is
 * transferred is not copied. A thread that dies fails all jobs, also later ones.
 */
export interface WorkerPool<Job, Answer> extends AsyncDisposable {
  /** Gives the job to the thread with the fewest; waits while all have enough. Throws what the work throws. */
  run(job: Job, transfer?: readonly Transferable[]): Promise<Answer>;
  /** The same job for every thread that was started; each does it after those it has. */
  runOnAll(job: Job): Promise<Answer[]>;
}

export interface WorkerPoolSetting {
  /** Which work the threads do: see `mover-worker.ts`. */
  readonly role: WorkerRole;
  readonly threadsMax: number;
  /** What a thread is given when it is started. */
  readonly setup: () => unknown;
  /** Told what a thread says that answers no job. */
  readonly onMessage?: (message: unknown) => void;
}

export type WorkerRole = 'backup' | 'restore';

/** What a thread is started with. */
export interface WorkerStart {
  readonly role: WorkerRole;
  readonly setup: unknown;
}

export interface JobMessage {
  readonly id: number;
  readonly job: unknown;
}

/** What a thread sends: the answer to a job, or something else. */
export type WorkerMessage =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: Failure }
  | { readonly other: unknown };

/** An error on its way between threads: it arrives as the same kind, with its code. */
export interface Failure {
  readonly messages: readonly string[];
  readonly salvor?: { readonly code: ErrorCode; readonly hint: string | undefined; readonly retryable: boolean };
  readonly errno?: string;
}

/** Jobs given to one thread: one that it does, and one that waits, so that the thread never waits for us. */
const jobsPerThreadMax = 2;

/** The heap of a thread is small: the bytes that it works on lie outside. */
const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

interface Waiting {
  readonly job: unknown;
  readonly transfer: readonly Transferable[];
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly underway: Map<number, Waiting>;
}

/** Threads are started when there are jobs for them: little work starts one only. */
export function createWorkerPool<Job, Answer>(setting: WorkerPoolSetting): WorkerPool<Job, Answer> {
  const threads: Thread[] = [];
  const queue: Waiting[] = [];
  let broken: SalvorError | undefined;
  let nextId = 0;

  const end = (reason: SalvorError): void => {
    if (broken !== undefined) return;
    broken = reason;
    const lost = [...threads.flatMap(({ underway }) => [...underway.values()]), ...queue.splice(0)];
    for (const { reject } of lost) reject(reason);
  };
  const breakDown = (cause: unknown): void =>
    end(new SalvorError('A thread of the mover ended unexpectedly', { code: 'Internal', cause, retryable: true }));

  const give = (thread: Thread, waiting: Waiting): void => {
    const id = nextId++;
    thread.underway.set(id, waiting);
    thread.worker.postMessage({ id, job: waiting.job } satisfies JobMessage, waiting.transfer);
  };

  const giveQueued = (): void => {
    while (queue.length > 0) {
      const [idlest] = threads.toSorted((a, b) => a.underway.size - b.underway.size);
      const thread = (idlest?.underway.size ?? 1) > 0 && threads.length < setting.threadsMax ? start() : idlest;
      if (thread === undefined || thread.underway.size >= jobsPerThreadMax) return;
      give(thread, queue.shift() as Waiting);
    }
  };

  const hear = (thread: Thread, message: WorkerMessage): void => {
    if ('other' in message) {
      setting.onMessage?.(message.other);
      return;
    }
    const waiting = thread.underway.get(message.id);
    thread.underway.delete(message.id);
    giveQueued();
    if ('failure' in message) waiting?.reject(errorOf(message.failure));
    else waiting?.resolve(message.answer);
  };

  const start = (): Thread => {
    const workerData: WorkerStart = { role: setting.role, setup: setting.setup() };
    // Threads open files by system calls that Node does not know of.
    const worker = new Worker(program, { workerData, resourceLimits, trackUnmanagedFds: false });
    const thread = { worker, underway: new Map<number, Waiting>() };
    worker.on('message', (message: WorkerMessage) => hear(thread, message));
    worker.on('error', breakDown);
    worker.on('exit', (code) => breakDown(new Error(`it ended with code ${code}`)));
    threads.push(thread);
    return thread;
  };

  const wait = async (put: (waiting: Pick<Waiting, 'resolve' | 'reject'>) => void): Promise<Answer> => {
    if (broken !== undefined) throw broken;
    return new Promise<Answer>((resolve, reject) => put({ resolve: resolve as (answer: unknown) => void, reject }));
  };

  return {
    run: async (job, transfer = []) =>
      wait((waiting) => {
        queue.push({ job, transfer, ...waiting });
        giveQueued();
      }),
    runOnAll: async (job) =>
      Promise.all(threads.map(async (thread) => wait((waiting) => give(thread, { job, transfer: [], ...waiting })))),
    [Symbol.asyncDispose]: async () => {
      end(new SalvorError('The threads of the mover were ended', { code: 'Cancelled', retryable: true }));
      await Promise.all(threads.map(async ({ worker }) => worker.terminate()));
    },
  };
}

/** Beside this file in the sources, beside the bundle in the image. */
const program = new URL(`./mover-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.mjs'}`, import.meta.url);

export function failureOf(error: unknown): Failure {
  const errno = errnoOf(error);
  if (errno !== undefined) return { messages: [errnoMessage(error)], errno };
  const messages = messagesOf(error);
  if (!(error instanceof SalvorError)) return { messages };
  return { messages, salvor: { code: error.code, hint: error.hint, retryable: error.retryable } };
}

export function errorOf({ messages, salvor, errno }: Failure): Error {
  const [message = '', ...causes] = messages;
  if (errno !== undefined) return errnoError(errno, message.replace(`${errno}: `, ''));
  const cause = causes.length === 0 ? undefined : new Error(causes.join(': '));
  if (salvor === undefined) return new SalvorError(message, { code: 'Internal', cause });
  const { code, hint, retryable } = salvor;
  return new SalvorError(message, { code, retryable, cause, ...(hint === undefined ? {} : { hint }) });
}
