import { systemClock } from '#shared/async';
import type { Clock } from '#shared/time';
import type { Store } from '#stores/store';
import type { Config } from '../config.ts';
import type { Vault } from '../files.ts';
import { currentIdentity } from '../identity.ts';
import type { Identity } from '../identity.ts';
import type { LockMode } from '../lock-file.ts';
import { takeLock } from '../lock.ts';
import { unlock } from '../repository.ts';
import type { AccessOptions } from '../repository.ts';

/** An unlocked repository as its keepers need it: the files themselves, and who acts on them. */
export interface Access {
  readonly vault: Vault;
  readonly config: Config;
  readonly identity: Identity;
  readonly clock: Clock;
}

/** Finds the key; reads no index. Throws as `openRepository` does. */
export async function openAccess(store: Store, request: AccessOptions): Promise<Access> {
  const { sealer, config } = await unlock(store, request);
  return {
    vault: { store, sealer, version: config.version },
    config,
    identity: request.identity ?? currentIdentity(),
    clock: request.clock ?? systemClock,
  };
}

/** Under a lock: its session, and a signal that aborts when the lock is lost or the caller gives up. */
export interface Locked {
  readonly session: string;
  readonly signal: AbortSignal;
}

/** Runs the work while a lock is held. */
export async function underLock<T>(
  access: Access,
  mode: LockMode,
  work: (locked: Locked) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  await using lock = await takeLock(mode, { ...access, signal });
  const both = signal === undefined ? lock.lost : AbortSignal.any([signal, lock.lost]);
  return await work({ session: lock.session, signal: both });
}
