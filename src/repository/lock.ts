import { randomBytes } from 'node:crypto';
import { isAbort, SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import { options, saveFile } from './files.ts';
import type { Vault } from './files.ts';
import type { Identity } from './identity.ts';
import { encodeLock, isStale, readLocks, STALE_MS, whoHolds } from './lock-file.ts';
import type { FoundLock, LockMode } from './lock-file.ts';
import type { RepositoryLock } from './types.ts';

/** restic's number: others judge our locks by it. */
const REFRESH_MS = 5 * 60_000;

/** After this long without a refresh the holder must stop: others may take the lock for stale 7.5 minutes later. */
const LOST_MS = STALE_MS - 1.5 * REFRESH_MS;

/** When a refresh failed it is tried again after this long, until `LOST_MS`. */
const REFRESH_RETRY_MS = 30_000;

/** A lock that cannot be given back in this time is left to go stale. */
const RELEASE_MS_MAX = 10_000;

export interface LockRequest {
  readonly vault: Vault;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held. */
export interface HeldLock extends RepositoryLock {
  /** Names the holder through all refreshes, in which the file's name changes. */
  readonly session: string;
}

/**
 * Takes a lock: looks for others, writes a lock file, looks again. On a store that shows a written object at once (S3,
 * disks) of two that do so at the same time at least one sees the other and withdraws. Locks that are stale are removed.
 */
export async function takeLock(mode: LockMode, request: LockRequest): Promise<HeldLock> {
  await refuseConflicts(mode, request);
  const holder = { session: randomBytes(16).toString('hex'), startedMs: request.clock.now() };
  const id = await writeLock(mode, request, holder);
  try {
    await refuseConflicts(mode, request, id);
  } catch (error) {
    await removeLock(request.vault, id);
    throw error;
  }
  return holdLock(mode, request, { id, holder });
}

async function refuseConflicts(mode: LockMode, request: LockRequest, own?: string): Promise<void> {
  for await (const found of readLocks(request.vault, request.signal)) {
    if (found.id === own) continue;
    if (isStale(found, request)) await removeStale(found.id, request);
    else if (excludes(mode, found)) throw lockedBy(found, request);
  }
}

function excludes(mode: LockMode, other: FoundLock): boolean {
  if (mode === 'exclusive' || other.exclusive) return true;
  if (mode === 'prune') return other.mode === 'prune' || other.mode === 'check';
  return mode === 'check' && other.mode === 'prune';
}

/** Who may not delete can still work: the lock stays stale, and goes when someone meets it who may. */
async function removeStale(id: string, { vault, signal }: LockRequest): Promise<void> {
  try {
    await vault.store.delete(`locks/${id}`, options(signal));
  } catch (error) {
    if (!(error instanceof SalvorError && error.code === 'StoreAccessDenied')) throw error;
  }
}

const uses = {
  shared: 'in use',
  check: 'being checked',
  prune: 'being pruned',
  exclusive: 'locked exclusively',
} as const satisfies Record<LockMode, string>;

function lockedBy(lock: FoundLock, { vault, clock }: LockRequest): SalvorError {
  const how = lock.exclusive ? 'locked exclusively' : lock.mode === undefined ? 'in use' : uses[lock.mode];
  return new SalvorError(`The repository ${vault.store.location} is ${how} by ${whoHolds(lock, clock.now())}`, {
    code: 'RepositoryLocked',
    retryable: true,
    hint: 'Wait until it has ended. A lock whose holder died is ignored 30 minutes after its last refresh; `salvor repo unlock --all` removes it now.',
  });
}

/** What stays the same through all refreshes. */
interface Holder {
  readonly session: string;
  readonly startedMs: number;
}

async function writeLock(mode: LockMode, request: LockRequest, holder: Holder): Promise<string> {
  const { vault, identity, clock, signal } = request;
  return saveFile(vault, 'locks', encodeLock({ mode, ...holder, identity, nowMs: clock.now() }), signal);
}

/**
 * Not with the run's signal: an interrupted run must still give its lock back. Never throws: a lock that stays goes
 * stale, and a store that died must not hide how the work ended.
 */
async function removeLock(vault: Vault, id: string): Promise<void> {
  try {
    await vault.store.delete(`locks/${id}`, { signal: AbortSignal.timeout(RELEASE_MS_MAX) });
  } catch {
    // The next one who looks sees its age.
  }
}

interface Written {
  readonly id: string;
  readonly holder: Holder;
}

function holdLock(mode: LockMode, request: LockRequest, { id: firstId, holder }: Written): HeldLock {
  const { vault, clock } = request;
  const lost = new AbortController();
  const released = new AbortController();
  let id = firstId;
  let refreshedMs = clock.now();

  const refresh = async (): Promise<void> => {
    const signal = released.signal;
    // Someone removed it by force: they believe that we are gone, and act on it.
    if ((await vault.store.head(`locks/${id}`, { signal })) === undefined) {
      lost.abort(lockLost(vault, 'was removed by someone'));
      return;
    }
    const startedMs = clock.now();
    const next = await writeLock(mode, { ...request, signal }, holder);
    const previous = id;
    id = next;
    refreshedMs = startedMs;
    await removeStale(previous, { ...request, signal });
  };

  const keepFresh = async (): Promise<void> => {
    let waitMs = REFRESH_MS;
    while (!lost.signal.aborted && !released.signal.aborted) {
      await clock.sleep(waitMs, released.signal);
      waitMs = REFRESH_MS;
      if (clock.now() - refreshedMs > LOST_MS) {
        lost.abort(lockLost(vault, 'could not be refreshed in time'));
        return;
      }
      try {
        await refresh();
      } catch (error) {
        if (released.signal.aborted) return;
        waitMs = REFRESH_RETRY_MS;
        if (clock.now() - refreshedMs > LOST_MS) lost.abort(lockLost(vault, 'could not be refreshed in time', error));
      }
    }
  };

  const keeper = keepFresh().catch((error: unknown) => {
    if (!isAbort(error)) lost.abort(error);
  });
  return {
    session: holder.session,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      released.abort();
      await keeper;
      await removeLock(vault, id);
    },
  };
}

function lockLost(vault: Vault, how: string, cause?: unknown): SalvorError {
  return new SalvorError(`The lock on the repository ${vault.store.location} ${how}`, {
    code: 'RepositoryLocked',
    hint: 'Run the command again: nothing that was written after this counts as saved.',
    cause,
  });
}
