import { ensureMover } from '#execution/ensure-mover';
import type { MoverContext } from '#execution/ensure-mover';
import { done, failed } from '#execution/execute';
import type { Outcome } from '#execution/execute';
import { objectName } from '#execution/names';
import { ensureClaimFromSnapshot } from '#execution/staging';
import type { BackupResult } from '#mover/protocol';
import type { PlannedVolume } from '#planner/backup-plan';
import type { BlobId } from '#repository/types';
import { SalvorError } from '#shared/errors';
import type { TakenSnapshots } from './snapshots.ts';

export interface MoveContext extends MoverContext {
  readonly point: string;
  /** The same volume in the newest recovery point before: unchanged files are not read again. */
  readonly parents: ReadonlyMap<string, BlobId>;
}

export interface MovedVolume {
  readonly kind: 'moved';
  readonly result: BackupResult;
}

/** A mover Job that reads one volume from its snapshot into the repository. */
export async function ensureVolumeMoved(
  volume: PlannedVolume,
  snapshots: TakenSnapshots,
  context: MoveContext,
): Promise<Outcome<MovedVolume>> {
  const { client, labels, signal } = context;
  const { csi, snapshotClass, storageClass, capacityBytes } = volume.claim;
  const snapshotHandle = snapshots.handles.get(volume.name);
  if (snapshotHandle === undefined || snapshotClass === undefined) {
    return failed(new SalvorError(`The cut holds no snapshot of ${volume.name}`, { code: 'SnapshotFailed' }));
  }
  const name = objectName(context.point, volume.name);
  const parentTree = context.parents.get(volume.name);
  const outcome = await ensureMover(context, {
    kind: 'backup',
    name,
    asset: volume.name,
    task: parentTree === undefined ? {} : { parentTree },
    ensureClaim: async () =>
      ensureClaimFromSnapshot(
        client,
        { name, storageClass, capacityBytes, labels },
        { driver: csi.driver, snapshotHandle, snapshotClass },
        signal,
      ),
  });
  return outcome.state === 'done' ? done({ kind: 'moved', result: outcome.value }) : outcome;
}
