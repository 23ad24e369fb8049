import { SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { Clock } from '#shared/time';
import { asBoolean, asCount, asObject, asString, optional, required, within } from './fields.ts';
import type { Fields } from './fields.ts';
import { listFiles, loadFile } from './files.ts';
import type { Vault } from './files.ts';
import type { Identity } from './identity.ts';
import { formatTimeNs, parseTimeNs } from './rfc3339.ts';

/** restic's number: a lock that was not refreshed for this long belongs to nobody. */
export const STALE_MS = 30 * 60_000;

const modes = ['shared', 'check', 'prune', 'exclusive'] as const;

/**
 * `exclusive` keeps everybody away. `prune` and `check` are shared locks to restic; of ours, a prune keeps away other prunes
 * and checks, which read index files that a prune replaces, and a check keeps away prunes.
 */
export type LockMode = (typeof modes)[number];

/** A lock file as it lies in the store. restic's fields, and a field of ours that restic passes over. */
export interface FoundLock {
  /** The file's name; it changes with each refresh. */
  readonly id: string;
  readonly timeMs: number;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  /** Whose it is, through all refreshes: our session, or for other programs host, user and process. */
  readonly holder: string;
  /** False for restic and its kin: they know nothing of packs that are marked for deletion. */
  readonly isSalvor: boolean;
  /** What a program of ours does under a shared lock, if that matters to others. */
  readonly mode: LockMode | undefined;
  /** When it was taken, by its holder's clock; of other programs, when it was last refreshed. */
  readonly startedMs: number;
}

export interface NewLock {
  readonly mode: LockMode;
  readonly session: string;
  readonly identity: Identity;
  readonly startedMs: number;
  readonly nowMs: number;
}

/** The JSON of a lock file. */
export function encodeLock({ mode, session, identity, startedMs, nowMs }: NewLock): string {
  return JSON.stringify({
    time: formatTimeMs(nowMs),
    exclusive: mode === 'exclusive',
    hostname: identity.hostname,
    username: identity.username,
    pid: identity.pid,
    uid: identity.uid,
    gid: identity.gid,
    salvor: { session, started: formatTimeMs(startedMs), mode },
  });
}

function formatTimeMs(ms: number): string {
  return formatTimeNs(BigInt(Math.trunc(ms)) * 1_000_000n);
}

function asTimeMs(value: unknown, what: string): number {
  return Number(parseTimeNs(asString(value, what), what) / 1_000_000n);
}

/** All locks. One that is given back while they are read is left out; one that cannot be read is an error: it may be anybody's. */
export async function* readLocks(vault: Vault, signal?: AbortSignal): AsyncIterable<FoundLock> {
  for (const { key: id, size } of await listFiles(vault, 'locks', signal)) {
    // Empty ones are what a crash leaves on stores that do not write at once; newer restic passes over them as well.
    if (size === 0) continue;
    const lock = await readLock(vault, id, signal);
    if (lock !== undefined) yield lock;
  }
}

/** One of them; undefined if it was given back. */
export async function readLock(
  vault: Vault,
  id: string,
  signal: AbortSignal | undefined,
): Promise<FoundLock | undefined> {
  try {
    const fields = await loadFile(vault, 'locks', id, signal);
    return within(`The file locks/${id}`, () => decodeLock(fields, id));
  } catch (error) {
    // Released between listing and reading.
    if (error instanceof SalvorError && error.code === 'StoreObjectMissing') return undefined;
    throw error;
  }
}

function decodeLock(fields: Fields, id: string): FoundLock {
  const hostname = optional(fields, 'hostname', asString) ?? '';
  const username = optional(fields, 'username', asString) ?? '';
  const pid = optional(fields, 'pid', asCount) ?? 0;
  const ours = optional(fields, 'salvor', asObject);
  const session = ours === undefined ? undefined : required(ours, 'session', asString);
  const timeMs = required(fields, 'time', asTimeMs);
  return {
    id,
    timeMs,
    exclusive: optional(fields, 'exclusive', asBoolean) ?? false,
    hostname,
    username,
    pid,
    holder: session ?? `${username}@${hostname}:${pid}`,
    isSalvor: session !== undefined,
    mode: modes.find((mode) => mode === (ours === undefined ? undefined : optional(ours, 'mode', asString))),
    startedMs: (ours === undefined ? undefined : optional(ours, 'started', asTimeMs)) ?? timeMs,
  };
}

/** restic's rule: older than 30 minutes, or its process is dead and was on this host. */
export function isStale(
  lock: FoundLock,
  { clock, identity }: { readonly clock: Clock; readonly identity: Identity },
): boolean {
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

/** For messages: `ann@mover-1, process 7, since or refreshed 3 min ago`. */
export function whoHolds(lock: FoundLock, nowMs: number): string {
  const age = formatDuration(Math.max(0, nowMs - lock.timeMs));
  const user = lock.username === '' ? 'someone' : lock.username;
  return `${user}@${lock.hostname}, process ${lock.pid}, since or refreshed ${age} ago`;
}
