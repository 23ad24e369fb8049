import { selectSnapshots } from '#repository/care/forget';
import type { Repository, Snapshot } from '#repository/types';
import { SalvorError } from '#shared/errors';

/** A place in a snapshot, as written in `05d33f00:/etc/hosts`. */
export interface SnapshotPath {
  readonly snapshot: Snapshot;
  /** `/` for all of it. */
  readonly path: string;
}

/** Finds what `ID`, `ID:PATH` or `latest:PATH` names. Throws `NotFound` or `InvalidInput`. */
export async function findSnapshotPath(
  repository: Repository,
  text: string,
  signal: AbortSignal,
): Promise<SnapshotPath> {
  const colon = text.indexOf(':');
  const id = colon === -1 ? text : text.slice(0, colon);
  const path = colon === -1 ? '' : text.slice(colon + 1);
  const snapshots = await repository.snapshots(signal);
  const [snapshot] = id === 'latest' ? snapshots.slice(-1) : selectSnapshots(snapshots, [id]);
  if (snapshot === undefined) {
    throw new SalvorError(`There is no snapshot in ${repository.location}`, {
      code: 'NotFound',
      hint: 'Make one: salvor backup APPLICATION',
    });
  }
  return { snapshot, path: path === '' ? '/' : path };
}
