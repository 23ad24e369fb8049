import { systemClock } from '#shared/async';
import { isAbort, SalvorError } from '#shared/errors';
import type { ErrorCode } from '#shared/errors';
import type { Clock } from '#shared/time';
import { aroundCalls } from './around.ts';
import type { StoreOperation } from './around.ts';
import { observed } from './body.ts';
import type { CallOptions, ObjectInfo, Store } from './store.ts';

/** Upper bounds of the histogram's buckets in milliseconds; a last bucket holds what is slower. */
export const LATENCY_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000] as const;

/** What one kind of call has done so far. */
export interface OperationMetrics {
  /** Finished calls, failed ones included. A listing is one call, from its first to its last object. */
  calls: number;
  /** Failed calls by error code. What an abort ended counts as `Cancelled`, what is no `SalvorError` as `Internal`. */
  failures: Partial<Record<ErrorCode, number>>;
  /** Bytes of bodies sent by `put`, received by `get`, of failed puts too; 0 for the others. */
  bytes: number;
  /** Duration of all calls together. */
  latencyMsSum: number;
  /** Calls by duration: one number per bound of `LATENCY_BOUNDS_MS`, and one for what is slower. Not cumulative. */
  latencyCounts: number[];
}

/** Plain data: it can be printed, sent and added up. */
export type StoreMetrics = Record<StoreOperation | 'list', OperationMetrics>;

export interface MeteredStore extends Store {
  /** Up to now, and changing. */
  readonly metrics: Readonly<StoreMetrics>;
}

/** Counts and times the calls. Inside `withRetry` it counts attempts, outside of it what callers see. */
export function withMetrics(store: Store, clock: Pick<Clock, 'now'> = systemClock): MeteredStore {
  const metrics = emptyMetrics();

  const measured = aroundCalls(store, async ({ operation }, run) => {
    const startMs = clock.now();
    try {
      const result = await run();
      finish(metrics[operation], clock.now() - startMs);
      return result;
    } catch (error) {
      finish(metrics[operation], clock.now() - startMs, error);
      throw error;
    }
  });

  return {
    ...measured,
    metrics,
    put: async (key, body, options) => {
      const count = (bytes: number): void => {
        metrics.put.bytes += bytes;
      };
      if (!(body instanceof Uint8Array)) return measured.put(key, observed(body, count), options);
      count(body.length);
      return measured.put(key, body, options);
    },
    get: async (key, options) => {
      const bytes = await measured.get(key, options);
      metrics.get.bytes += bytes.length;
      return bytes;
    },
    list: (prefix, options) => measuredList({ store, metrics: metrics.list, clock }, prefix, options),
  };
}

interface ListMeter {
  readonly store: Store;
  readonly metrics: OperationMetrics;
  readonly clock: Pick<Clock, 'now'>;
}

async function* measuredList(meter: ListMeter, prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
  const startMs = meter.clock.now();
  let failure: unknown;
  try {
    yield* meter.store.list(prefix, options);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    finish(meter.metrics, meter.clock.now() - startMs, failure);
  }
}

function finish(metrics: OperationMetrics, durationMs: number, error?: unknown): void {
  metrics.calls++;
  metrics.latencyMsSum += durationMs;
  const bucket = LATENCY_BOUNDS_MS.findIndex((bound) => durationMs <= bound);
  const index = bucket === -1 ? LATENCY_BOUNDS_MS.length : bucket;
  metrics.latencyCounts[index] = (metrics.latencyCounts[index] ?? 0) + 1;
  if (error === undefined) return;
  const code = codeOf(error);
  metrics.failures[code] = (metrics.failures[code] ?? 0) + 1;
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof SalvorError) return error.code;
  return isAbort(error) ? 'Cancelled' : 'Internal';
}

function emptyMetrics(): StoreMetrics {
  const empty = (): OperationMetrics => ({
    calls: 0,
    failures: {},
    bytes: 0,
    latencyMsSum: 0,
    latencyCounts: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0),
  });
  return {
    put: empty(),
    get: empty(),
    head: empty(),
    delete: empty(),
    list: empty(),
    extendRetention: empty(),
    retentionOf: empty(),
  };
}
