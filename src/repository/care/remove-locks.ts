import { SalvorError } from '#shared/errors';
import { listFiles, options } from '../files.ts';
import { isStale, readLock, whoHolds } from '../lock-file.ts';
import type { FoundLock } from '../lock-file.ts';
import type { Access } from './access.ts';

export interface RemovedLocks {
  /** Ids of the lock files that were removed. */
  readonly removed: readonly string[];
  readonly kept: readonly KeptLock[];
}

export interface KeptLock {
  readonly id: string;
  /** Who holds it, for people. */
  readonly who: string;
}

/**
 * Removes locks that are stale by restic's rule, and empty ones; all of them if `all`, also those that cannot be read.
 * Who held one that was removed finds out at its next refresh, and stops.
 */
export async function removeLocks(
  access: Access,
  { all }: { readonly all: boolean },
  signal?: AbortSignal,
): Promise<RemovedLocks> {
  const { vault, clock } = access;
  const removed: string[] = [];
  const kept: KeptLock[] = [];
  for (const { key: id, size } of await listFiles(vault, 'locks', signal)) {
    const lock = size === 0 ? undefined : await readIfSound(access, id, signal);
    const goes = all || size === 0 || (typeof lock === 'object' && isStale(lock, access));
    if (goes) {
      await vault.store.delete(`locks/${id}`, options(signal));
      removed.push(id);
    } else if (lock !== undefined) {
      kept.push({ id, who: lock === 'damaged' ? 'someone: it cannot be read' : whoHolds(lock, clock.now()) });
    }
  }
  return { removed, kept };
}

async function readIfSound(
  { vault }: Access,
  id: string,
  signal: AbortSignal | undefined,
): Promise<FoundLock | 'damaged' | undefined> {
  try {
    return await readLock(vault, id, signal);
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'RepositoryCorrupt') return 'damaged';
    throw error;
  }
}
