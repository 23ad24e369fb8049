import { createRepository, openRepository } from '#repository/repository';
import { currentIdentity } from '#repository/identity';
import { formatTimeNs } from '#repository/rfc3339';
import type { BlobId } from '#repository/types';
import { openStore } from '#stores/open';
import type { Store } from '#stores/store';
import { repositoryPassword, type Place } from './contestant.ts';

/** What the run around a mover does, and what is therefore not measured: making the repository, writing the snapshot. */

/** A place as a location of ours. */
export function locationOf(place: Place): string {
  if (place.kind === 'disk') return place.path;
  return `s3://${place.bucket}/${place.prefix}?endpoint=${place.endpoint}`;
}

/** Makes a repository with the password of all repositories here. */
export async function makeRepository(place: Place, signal: AbortSignal): Promise<void> {
  await withStore(place, async (store) => {
    await (await createRepository(store, { password: repositoryPassword, signal }))[Symbol.asyncDispose]();
  });
}

/** Makes a mover's tree a snapshot, so that restic sees it. */
export async function makeSnapshot(place: Place, tree: BlobId, signal: AbortSignal): Promise<void> {
  await withStore(place, async (store) => {
    await using repository = await openRepository(store, { password: repositoryPassword, signal });
    const { hostname, username, uid, gid } = currentIdentity();
    const time = formatTimeNs(BigInt(Date.now()) * 1_000_000n);
    await repository.saveSnapshot({ time, tree, paths: ['/'], hostname, username, uid, gid, tags: [] }, signal);
  });
}

async function withStore(place: Place, work: (store: Store) => Promise<void>): Promise<void> {
  const location = locationOf(place);
  const store = await openStore(place.kind === 'disk' ? { location } : { location, credentials: place });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}
