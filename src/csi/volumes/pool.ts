/**
 * The folder that holds everything, on one reflink filesystem:
 *
 *     volumes/VOLUME_ID/{image,volume.json}
 *     snapshots/SNAPSHOT_ID/{image,snapshot.json}
 *     groups/GROUP_ID/{group.json,SNAPSHOT_ID/{image,snapshot.json}}
 *     temporary/     what is being made or deleted; emptied at start
 *
 * An entry is a folder that is made under temporary/ and renamed into place when it is whole, and renamed out of its
 * place before it is deleted. So an entry is either there with everything, or not there.
 */
import { mkdir, mkdtemp, open, readdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { cloneImage } from './images.ts';
import type { GroupId, SnapshotId, VolumeId } from './ids.ts';
import { lockFile } from './system-calls.ts';

/** Kept free, as a share of the pool: a full pool turns writes of every volume on it into errors. */
const reserveShare = 0.02;

const imageName = 'image';

export interface Pool {
  readonly volumes: string;
  readonly snapshots: string;
  readonly groups: string;
  /** Makes an entry: fills a temporary folder, syncs it, renames it into place. After a failure nothing is left. */
  readonly create: (entry: string, fill: (folder: string) => Promise<void>) => Promise<void>;
  /** Deletes an entry. One that is not there is deleted already. */
  readonly remove: (entry: string) => Promise<void>;
  /** Bytes that can be given to new data, and all bytes. */
  readonly space: () => Promise<{ availableBytes: number; totalBytes: number }>;
  readonly close: () => Promise<void>;
}

export const volumeFolder = (pool: Pool, id: VolumeId): string => join(pool.volumes, id);

export const groupFolder = (pool: Pool, id: GroupId): string => join(pool.groups, id);

/** The folder of a snapshot: inside its group when it has one, so that a group appears and disappears as one. */
export const snapshotFolder = (pool: Pool, id: SnapshotId, groupId: GroupId | undefined): string =>
  groupId === undefined ? join(pool.snapshots, id) : join(groupFolder(pool, groupId), id);

export const imageIn = (folder: string): string => join(folder, imageName);

/**
 * Opens the pool for this process alone, and clears what an earlier process left half-made.
 * @throws Prerequisite when another driver uses it, or its filesystem has no reflinks
 */
export async function openPool(root: string): Promise<Pool> {
  const temporary = join(root, 'temporary');
  const folders = { volumes: join(root, 'volumes'), snapshots: join(root, 'snapshots'), groups: join(root, 'groups') };
  for (const folder of [temporary, ...Object.values(folders)]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await takeLock(join(root, 'lock'));
  try {
    for (const name of await readdir(temporary)) await rm(join(temporary, name), { recursive: true, force: true });
    await requireReflinks(root, temporary);
  } catch (error) {
    await lock.close();
    throw error;
  }
  return {
    ...folders,
    create: async (entry, fill) => {
      const folder = await mkdtemp(join(temporary, 'new-'));
      try {
        await fill(folder);
        await syncTree(folder);
        await rename(folder, entry);
      } catch (error) {
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
      await sync(join(entry, '..'));
    },
    remove: async (entry) => {
      const folder = await mkdtemp(join(temporary, 'old-'));
      try {
        await rename(entry, join(folder, 'entry'));
        await sync(join(entry, '..'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    space: async () => {
      const { bsize, bavail, blocks } = await statfs(root);
      const totalBytes = blocks * bsize;
      return { availableBytes: Math.max(0, Math.floor(bavail * bsize - totalBytes * reserveShare)), totalBytes };
    },
    close: async () => lock.close(),
  };
}

async function takeLock(path: string): Promise<{ close: () => Promise<void> }> {
  const file = await open(path, 'a', 0o600);
  try {
    lockFile(file.fd);
  } catch (error) {
    await file.close();
    throw new SalvorError(`Another storage driver uses the pool (${path} is locked)`, {
      code: 'Prerequisite',
      hint: 'Run one driver per pool; stop the other one first.',
      cause: error,
    });
  }
  return file;
}

async function requireReflinks(root: string, temporary: string): Promise<void> {
  const folder = await mkdtemp(join(temporary, 'probe-'));
  try {
    await writeFile(join(folder, 'source'), 'x');
    await cloneImage(join(folder, 'source'), join(folder, 'target'));
  } catch (error) {
    throw new SalvorError(`The pool ${root} is not on a filesystem with reflinks`, {
      code: 'Prerequisite',
      hint: 'Use an XFS made with "mkfs.xfs -m reflink=1" for the pool.',
      cause: error,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    await (entry.isDirectory() ? syncTree(path) : sync(path));
  }
  await sync(folder);
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
