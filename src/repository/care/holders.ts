import { isStale, readLocks, whoHolds } from '../lock-file.ts';
import type { Access } from './access.ts';

/** Somebody else who is at work in the repository. */
export interface Holder {
  /** The same through all refreshes of the lock. */
  readonly holder: string;
  readonly isSalvor: boolean;
  /** When they began, by their clock. */
  readonly startedMs: number;
  /** For people. */
  readonly who: string;
}

/**
 * Who holds a lock, but for the session that asks. The locks are listed twice: one that is being refreshed moves from
 * one name to another, and a single listing can miss it under both.
 */
export async function othersAtWork(access: Access, session: string, signal?: AbortSignal): Promise<Holder[]> {
  const found = new Map<string, Holder>();
  for (let listing = 0; listing < 2; listing++) {
    for await (const lock of readLocks(access.vault, signal)) {
      if (lock.holder === session || isStale(lock, access)) continue;
      found.set(lock.holder, {
        holder: lock.holder,
        isSalvor: lock.isSalvor,
        startedMs: lock.startedMs,
        who: whoHolds(lock, access.clock.now()),
      });
    }
  }
  return [...found.values()];
}
