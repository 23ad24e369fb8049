import { isAbort, SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { Clock } from '#shared/time';
import { asBoolean, asCount, asString, optional, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { listFiles, loadFile, options, saveFile } from './files.ts';
import type { Vault } from './files.ts';
import type { Identity } from './identity.ts';
import { formatTimeNs, parseTimeNs } from './rfc3339.ts';
import type { RepositoryLock } from './types.ts';

export type LockMode = 'shared' | 'exclusive';

/** restic's numbers: others judge our locks by them. */
const REFRESH_MS = 5 * 60_000;
const STALE_MS = 30 * 60_000;

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

/** A lock file, as restic writes it. */
interface LockFile {
  readonly timeMs: number;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
}

/**
 * Takes a lock: looks for others, writes a lock file, looks again. On a store that shows a written object at once (S3,
 * disks) of two that do so at the same time at least one sees the other and withdraws. Locks that are stale are removed.
 */
export async function takeLock(mode: LockMode, request: LockRequest): Promise<RepositoryLock> {
  await refuseConflicts(mode, request);
  const id = await writeLock(mode, request);
  try {
    await refuseConflicts(mode, request, id);
  } catch (error) {
    await removeLock(request.vault, id);
    throw error;
  }
  return holdLock(mode, request, id);
}

async function refuseConflicts(mode: LockMode, request: LockRequest, own?: string): Promise<void> {
  for (const { key: id, size } of await listFiles(request.vault, 'locks', request.signal)) {
    // Empty ones are what a crash leaves on stores that do not write at once; newer restic passes over them as well.
    if (id === own || size === 0) continue;
    const lock = await readLock(request, id);
    if (lock === undefined) continue;
    if (isStale(lock, request)) {
      await request.vault.store.delete(`locks/${id}`, options(request.signal));
    } else if (mode === 'exclusive' || lock.exclusive) {
      throw lockedBy(lock, request);
    }
  }
}

async function readLock(request: LockRequest, id: string): Promise<LockFile | undefined> {
  try {
    const fields = await loadFile(request.vault, 'locks', id, request.signal);
    return within(`The file locks/${id}`, () => decodeLock(fields));
  } catch (error) {
    // Released between listing and reading.
    if (error instanceof SalvorError && error.code === 'StoreObjectMissing') return undefined;
    throw error;
  }
}

function decodeLock(fields: Fields): LockFile {
  return {
    timeMs: Number(parseTimeNs(required(fields, 'time', asString), 'time') / 1_000_000n),
    exclusive: optional(fields, 'exclusive', asBoolean) ?? false,
    hostname: optional(fields, 'hostname', asString) ?? '',
    username: optional(fields, 'username', asString) ?? '',
    pid: optional(fields, 'pid', asCount) ?? 0,
  };
}

function isStale(lock: LockFile, { clock, identity }: LockRequest): boolean {
  if (clock.now() - lock.timeMs > STALE_MS) return true;
  return lock.hostname === identity.hostname && !isAlive(lock.pid);
}

function isAlive(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

function lockedBy(lock: LockFile, { vault, clock }: LockRequest): SalvorError {
  const age = formatDuration(Math.max(0, clock.now() - lock.timeMs));
  const who = `${lock.username === '' ? 'someone' : lock.username}@${lock.hostname}, process ${lock.pid}`;
  const how = lock.exclusive ? 'locked exclusively' : 'in use';
  return new SalvorError(`The repository ${vault.store.location} is ${how} by ${who}, since or refreshed ${age} ago`, {
    code: 'RepositoryLocked',
    retryable: true,
    hint: 'Wait until it has ended. A lock whose holder died is ignored 30 minutes after its last refresh; `restic unlock --remove-all` removes it now.',
  });
}

async function writeLock(mode: LockMode, { vault, identity, clock, signal }: LockRequest): Promise<string> {
  const json = JSON.stringify({
    time: formatTimeNs(BigInt(Math.trunc(clock.now())) * 1_000_000n),
    exclusive: mode === 'exclusive',
    hostname: identity.hostname,
    username: identity.username,
    pid: identity.pid,
    uid: identity.uid,
    gid: identity.gid,
  });
  return saveFile(vault, 'locks', json, signal);
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

function holdLock(mode: LockMode, request: LockRequest, firstId: string): RepositoryLock {
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
    const next = await writeLock(mode, { ...request, signal });
    const previous = id;
    id = next;
    refreshedMs = startedMs;
    await vault.store.delete(`locks/${previous}`, { signal });
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
