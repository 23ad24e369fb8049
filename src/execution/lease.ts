import { isConflict, isNotFound } from '#kube/client';
import type { KubeClient } from '#kube/client';
import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { managedByLabels, systemNamespace } from './names.ts';

/** A run that has not renewed for this long is dead. */
const leaseDurationMs = 30_000;
/** Often, so that whoever wants the lease soon sees that its holder lives. */
const renewEveryMs = 2_000;
/** A run that could not renew for this long stops, before others may take over. */
const renewDeadlineMs = 25_000;
/** Clocks differ: even a lease that looks long expired is watched for some renewals before it is taken over. */
const watchMs = 3 * renewEveryMs;

interface Lease extends KubeObject {
  readonly spec: {
    readonly holderIdentity: string;
    readonly leaseDurationSeconds: number;
    readonly acquireTime: string;
    readonly renewTime: string;
  };
}

export interface LeaseOptions {
  readonly name: string;
  /** Who takes it: the name of the run. */
  readonly holder: string;
  /** What it protects, as the end of "Another run is working on ...". */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly onWaiting?: (why: string) => void;
}

export interface HeldLease extends AsyncDisposable {
  /** Aborts when the lease could not be renewed in time: whoever holds it must stop. */
  readonly lost: AbortSignal;
}

/**
 * Makes sure that only one run works on something. A live holder is refused with `RunInProgress`; one that
 * stopped renewing is waited out and replaced, so that a run after a crash needs no help.
 */
export async function takeLease(client: KubeClient, options: LeaseOptions): Promise<HeldLease> {
  const clock = options.clock ?? systemClock;
  let lease = await acquire(client, options, clock);
  const lost = new AbortController();
  const stop = new AbortController();
  const renewing = (async () => {
    let renewedMs = clock.now();
    while (!stop.signal.aborted) {
      await clock.sleep(renewEveryMs, stop.signal);
      const nowMs = clock.now();
      const late = AbortSignal.timeout(Math.max(0, renewedMs + renewDeadlineMs - nowMs));
      try {
        lease = await client.replace(
          kinds.leases,
          { ...lease, spec: { ...lease.spec, renewTime: microTime(nowMs) } },
          AbortSignal.any([stop.signal, late]),
        );
        renewedMs = nowMs;
      } catch (error) {
        const taken = isConflict(error) || isNotFound(error);
        if (stop.signal.aborted || !(taken || clock.now() - renewedMs >= renewDeadlineMs)) continue;
        lost.abort(taken ? takenOver(options, error) : notRenewed(options, error));
        return;
      }
    }
  })().catch(() => undefined);
  return {
    lost: lost.signal,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await renewing;
      if (!lost.signal.aborted) await client.delete(kinds.leases, lease.metadata);
    },
  };
}

async function acquire(client: KubeClient, options: LeaseOptions, clock: Clock): Promise<Lease> {
  const ref = { name: options.name, namespace: systemNamespace };
  let seen: { readonly renewTime: string; readonly atMs: number } | undefined;
  for (;;) {
    const existing = await client.get<Lease>(kinds.leases, ref, options.signal);
    const fresh = leaseFor(options, clock);
    try {
      if (existing === undefined) return await client.create(kinds.leases, fresh, options.signal);
      const { renewTime } = existing.spec;
      seen ??= { renewTime, atMs: clock.now() };
      if (renewTime !== seen.renewTime) throw inProgress(existing, options);
      const expiresInMs = expiryMs(seen) - clock.now();
      if (expiresInMs <= 0) {
        return await client.replace(
          kinds.leases,
          { ...fresh, metadata: { ...fresh.metadata, resourceVersion: existing.metadata.resourceVersion ?? '' } },
          options.signal,
        );
      }
      options.onWaiting?.(
        `run ${existing.spec.holderIdentity} holds ${options.what}; if it is dead, it is replaced in ${Math.ceil(expiresInMs / 1000)} s`,
      );
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    await clock.sleep(1_000, options.signal);
  }
}

/** When a lease that is not renewed again counts as given up: by its holder's clock, but not sooner or later than what we watched ourselves allows. */
function expiryMs({ renewTime, atMs }: { readonly renewTime: string; readonly atMs: number }): number {
  const byHolder = Date.parse(renewTime) + leaseDurationMs;
  return Math.min(Math.max(byHolder, atMs + watchMs), atMs + leaseDurationMs);
}

function takenOver({ name }: LeaseOptions, cause: unknown): SalvorError {
  return new SalvorError(`Lost the lease ${name}: another run took over, or somebody deleted it`, {
    code: 'RunInProgress',
    cause,
    hint: 'See which: kubectl -n salvor-system get leases',
  });
}

function notRenewed({ name }: LeaseOptions, cause: unknown): SalvorError {
  return new SalvorError(`The API server did not renew the lease ${name} for ${renewDeadlineMs / 1000} s`, {
    code: 'ClusterUnreachable',
    cause,
    hint: 'Run again when the API server answers: kubectl get --raw /readyz',
  });
}

function inProgress(existing: Lease, options: LeaseOptions): SalvorError {
  return new SalvorError(
    `Another run is working on ${options.what}: ${existing.spec.holderIdentity}, since ${existing.spec.acquireTime}`,
    {
      code: 'RunInProgress',
      hint: 'Wait until it has ended, then run again.',
    },
  );
}

function leaseFor(options: LeaseOptions, clock: Clock): Lease {
  const now = microTime(clock.now());
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: options.name, namespace: systemNamespace, labels: managedByLabels },
    spec: {
      holderIdentity: options.holder,
      leaseDurationSeconds: leaseDurationMs / 1000,
      acquireTime: now,
      renewTime: now,
    },
  };
}

/** Kubernetes' MicroTime: RFC 3339 with six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/Z$/, '000Z');
}
