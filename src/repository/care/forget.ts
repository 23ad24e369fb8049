import { SalvorError } from '#shared/errors';
import { options } from '../files.ts';
import { loadSnapshots } from '../snapshot.ts';
import type { Snapshot } from '../types.ts';
import { underLock } from './access.ts';
import type { Access } from './access.ts';

/** Shorter beginnings of ids are refused: what is deleted must not be named by chance. */
const PREFIX_LENGTH_MIN = 8;

/**
 * Finds the snapshots that these ids, or beginnings of ids, name. Throws `NotFound` or `InvalidInput` that names the
 * first that does not name exactly one.
 */
export function selectSnapshots(snapshots: readonly Snapshot[], ids: readonly string[]): Snapshot[] {
  const selected = new Set<Snapshot>();
  for (const id of ids) {
    if (id.length < PREFIX_LENGTH_MIN) {
      throw new SalvorError(`"${id}" is too short to name a snapshot`, {
        code: 'InvalidInput',
        hint: `Give at least ${PREFIX_LENGTH_MIN} digits of its id.`,
      });
    }
    const [found, second] = snapshots.filter((snapshot) => snapshot.id.startsWith(id));
    if (found === undefined) {
      throw new SalvorError(`There is no snapshot ${id}`, {
        code: 'NotFound',
        hint: 'Nothing was done. List the recovery points: salvor get recoverypoints -o wide',
      });
    }
    if (second !== undefined) {
      throw new SalvorError(`Several snapshots begin with ${id}`, {
        code: 'InvalidInput',
        hint: 'Nothing was done. Give more digits.',
      });
    }
    selected.add(found);
  }
  return [...selected];
}

export interface ForgetRequest {
  readonly ids: readonly string[];
  /** Only finds them. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Deletes snapshots, and answers them. What only they needed stays until the next prune. */
export async function forgetSnapshots(access: Access, request: ForgetRequest): Promise<Snapshot[]> {
  return underLock(
    access,
    'shared',
    async ({ signal }) => {
      const { vault } = access;
      const selected = selectSnapshots(await loadSnapshots(vault, signal), request.ids);
      if (request.dryRun) return selected;
      for (const { id } of selected) await vault.store.delete(`snapshots/${id}`, options(signal));
      return selected;
    },
    request.signal,
  );
}
