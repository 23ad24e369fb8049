import { mapLimit } from '#shared/async';
import { messageOf } from '#shared/errors';
import { isDamage } from '../blob-reader.ts';
import { listFiles } from '../files.ts';
import type { Vault } from '../files.ts';
import { toSnapshotId } from '../ids.ts';
import { parseTimeNs } from '../rfc3339.ts';
import type { SnapshotId } from '../types.ts';
import { loadWholeSnapshot } from './altered-snapshot.ts';
import type { WholeSnapshot } from './altered-snapshot.ts';

const READS_MAX = 8;

export interface DamagedSnapshot {
  readonly id: SnapshotId;
  readonly why: string;
}

export interface ReadSnapshots {
  /** Oldest first. */
  readonly whole: readonly WholeSnapshot[];
  /** Files that are not what was written. */
  readonly damaged: readonly DamagedSnapshot[];
}

/** All snapshots, also of a repository in which some cannot be read any more. */
export async function readSnapshots(vault: Vault, signal?: AbortSignal): Promise<ReadSnapshots> {
  const whole: WholeSnapshot[] = [];
  const damaged: DamagedSnapshot[] = [];
  const files = await listFiles(vault, 'snapshots', signal);
  const read = async ({ key }: { readonly key: string }, both: AbortSignal): Promise<void> => {
    const id = toSnapshotId(key, 'snapshot');
    try {
      whole.push(await loadWholeSnapshot(vault, id, both));
    } catch (error) {
      if (!isDamage(error)) throw error;
      // One that was deleted since the listing is nobody's loss.
      if (error.code !== 'StoreObjectMissing') damaged.push({ id, why: messageOf(error) });
    }
  };
  await mapLimit(files, READS_MAX, read, signal);
  return { whole: whole.sort(byTime), damaged };
}

function byTime({ snapshot: left }: WholeSnapshot, { snapshot: right }: WholeSnapshot): number {
  const [leftNs, rightNs] = [parseTimeNs(left.time, 'time'), parseTimeNs(right.time, 'time')];
  if (leftNs !== rightNs) return leftNs < rightNs ? -1 : 1;
  return left.id < right.id ? -1 : 1;
}
