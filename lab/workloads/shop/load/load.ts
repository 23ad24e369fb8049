import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '#shared/async';
import { messageOf } from '#shared/errors';
import type { LoadTargets } from '../endpoints.ts';
import { awkwardFiles } from './awkward-files.ts';
import { createClient } from './client.ts';
import { openJournal } from './journal.ts';
import type { Acknowledged } from './journal.ts';
import { chooseOperation, operations, refundOrder, uploadFile } from './operations.ts';
import type { OperationName, Outcome, Worker } from './operations.ts';
import { createRandom } from './random.ts';

/** How long a worker rests after a failed operation: the shop may be away for a while, being destroyed. */
const restAfterFailureMs = 250;
/** Operations that came due while the shop was slow are caught up for this long at most, the rest is dropped. */
const catchUpMsMax = 1000;
/** How often the rate is reported. */
const rateEveryMs = 5000;
/** How long the first of each operation may be refused or fail: services take a moment to find the servers they need. */
const firstTimeoutMs = 60_000;

export interface LoadOptions {
  readonly targets: LoadTargets;
  /** Where acknowledged operations are appended, one JSON line each. */
  readonly journal: string;
  /** Decides what the operations are. */
  readonly seed: string;
  /** Makes the ids of this run unique: lower case letters, digits and dashes. */
  readonly run: string;
  /** Operations per second; the default is 300. */
  readonly ratePerSecond?: number;
  /** Operations under way at the same time; the default is 16. */
  readonly concurrency?: number;
  /** Ends after that time, after that many operations, or when the signal aborts, whichever comes first. */
  readonly durationMs?: number;
  readonly operationsMax?: number;
  readonly signal?: AbortSignal;
  /** Gets the line about the rate, every few seconds. */
  readonly onRate?: (line: string) => void;
}

export interface LoadSummary {
  readonly run: string;
  readonly seed: string;
  readonly seconds: number;
  readonly operationsPerSecond: number;
  /** Writes that the journal holds, by kind. */
  readonly acknowledged: Readonly<Record<string, number>>;
  readonly reads: number;
  /** Answered with no, by a rule of the shop. */
  readonly refused: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly lastError: string | null;
  /** Of the last acknowledged operation, milliseconds since the epoch. */
  readonly lastAcknowledgedAt: number | null;
}

interface Counters {
  acknowledged: Record<string, number>;
  failed: Record<string, number>;
  reads: number;
  refused: number;
  done: number;
  lastError: string | null;
  lastAcknowledgedAt: number | null;
}

/**
 * Puts the shop under load. First one of everything and the awkward files, which must succeed before long; then a seeded mix, in
 * which failures are counted and never journaled. An operation whose answer is lost may have happened: it is not in
 * the journal, and the checker does not ask for it.
 */
export async function runLoad(options: LoadOptions): Promise<LoadSummary> {
  const concurrency = options.concurrency ?? 16;
  const end = endSignal(options);
  const client = createClient(concurrency);
  const journal = openJournal(options.journal);
  const counters = emptyCounters();
  const record = (outcome: Outcome): void => {
    counters.done++;
    if (outcome.kind === 'read') counters.reads++;
    if (outcome.kind === 'refused') counters.refused++;
    if (outcome.kind !== 'acknowledged') return;
    const entry = { at: Date.now(), ...outcome.entry } as Acknowledged;
    journal.append(entry);
    counters.lastAcknowledgedAt = entry.at;
    counters.acknowledged[entry.kind] = (counters.acknowledged[entry.kind] ?? 0) + 1;
  };
  const workerOf = (index: number): Worker => ({
    name: `${options.run}-w${index}`,
    random: createRandom(`${options.seed}/${index}`),
    client,
    targets: options.targets,
    orders: [],
    versions: new Map(),
    uploads: [],
    count: 0,
  });
  try {
    await oneOfEverything(workerOf(0), options, record);
    const started = performance.now();
    const doneBefore = counters.done;
    const pace = createPace(options.ratePerSecond ?? 300, options.operationsMax ?? Number.POSITIVE_INFINITY);
    const reporting = reportRate(counters, end, options.onRate);
    await Promise.all(
      Array.from({ length: concurrency }, async (_, index) =>
        work(workerOf(index + 1), { pace, end, record, counters }),
      ),
    );
    await reporting.stop();
    return summarize(options, counters, (counters.done - doneBefore) / ((performance.now() - started) / 1000), started);
  } finally {
    journal.close();
    client.close();
  }
}

function endSignal(options: LoadOptions): AbortSignal {
  const signals = options.signal === undefined ? [] : [options.signal];
  if (options.durationMs !== undefined) signals.push(AbortSignal.timeout(options.durationMs));
  return AbortSignal.any(signals);
}

function emptyCounters(): Counters {
  return { acknowledged: {}, failed: {}, reads: 0, refused: 0, done: 0, lastError: null, lastAcknowledgedAt: null };
}

async function oneOfEverything(
  worker: Worker,
  options: LoadOptions,
  record: (outcome: Outcome) => void,
): Promise<void> {
  const first = async (what: string, attempt: () => Promise<Outcome>): Promise<void> =>
    record(await firstSuccess(what, attempt, options.signal));
  for (const name of ['order', 'cart', 'click', 'credit', 'search', 'report'] as const)
    await first(`the first ${name}`, async () => operations[name](worker));
  for (const file of awkwardFiles(options.run, worker.random))
    await first('an upload', async () => uploadFile(worker, file));
  const [order] = worker.orders;
  if (order !== undefined) await first(`order ${order.id} to be paid`, async () => refundOrder(worker, order));
}

/** A Service may be without its server for a moment after everything was ready. Bounded; the last failure is the cause. */
async function firstSuccess(
  what: string,
  attempt: () => Promise<Outcome>,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  let failure: unknown;
  const succeeded = async (): Promise<Outcome | undefined> => {
    try {
      const outcome = await attempt();
      return outcome.kind === 'refused' ? undefined : outcome;
    } catch (error) {
      failure = error;
      return undefined;
    }
  };
  const bound = { what, timeoutMs: firstTimeoutMs, ...(signal === undefined ? {} : { signal }) };
  return waitFor(succeeded, bound).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw failure === undefined ? error : new Error(messageOf(error), { cause: failure });
  });
}

interface Work {
  readonly pace: Pace;
  readonly end: AbortSignal;
  readonly record: (outcome: Outcome) => void;
  readonly counters: Counters;
}

async function work(worker: Worker, { pace, end, record, counters }: Work): Promise<void> {
  while (await pace.next(end)) {
    const name = chooseOperation(worker.random);
    try {
      record(await operations[name](worker));
    } catch (error) {
      countFailure(counters, name, error);
      await delay(restAfterFailureMs, undefined, { signal: end }).catch(() => undefined);
    }
  }
}

function countFailure(counters: Counters, name: OperationName, error: unknown): void {
  counters.failed[name] = (counters.failed[name] ?? 0) + 1;
  counters.lastError = `${name}: ${messageOf(error)}`;
}

export interface Pace {
  /** Resolves when the next operation is due: true; or when there is none any more: false. */
  next(end: AbortSignal): Promise<boolean>;
}

/** One operation each 1/rate of a second, whoever does it. */
function createPace(ratePerSecond: number, operationsMax: number): Pace {
  const gapMs = 1000 / ratePerSecond;
  let due = performance.now();
  let given = 0;
  return {
    async next(end) {
      if (end.aborted || given >= operationsMax) return false;
      given++;
      const now = performance.now();
      due = Math.max(due + gapMs, now - catchUpMsMax);
      const waitMs = due - now;
      if (waitMs > 1) await delay(waitMs, undefined, { signal: end }).catch(() => undefined);
      return !end.aborted;
    },
  };
}

function reportRate(counters: Counters, end: AbortSignal, onRate: LoadOptions['onRate']): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const signal = AbortSignal.any([end, stopped.signal]);
  const run = async (): Promise<void> => {
    let before = counters.done;
    while (!signal.aborted) {
      await delay(rateEveryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const failed = Object.values(counters.failed).reduce((sum, count) => sum + count, 0);
      const rate = ((counters.done - before) / rateEveryMs) * 1000;
      before = counters.done;
      onRate?.(`${rate.toFixed(0)} operations/s, ${counters.done} done, ${counters.refused} refused, ${failed} failed`);
    }
  };
  const running = run();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

function summarize(options: LoadOptions, counters: Counters, rate: number, started: number): LoadSummary {
  return {
    run: options.run,
    seed: options.seed,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    operationsPerSecond: Math.round(rate),
    acknowledged: counters.acknowledged,
    reads: counters.reads,
    refused: counters.refused,
    failed: counters.failed,
    lastError: counters.lastError,
    lastAcknowledgedAt: counters.lastAcknowledgedAt,
  };
}
