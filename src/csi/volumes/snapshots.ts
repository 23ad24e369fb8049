/** Copies of volumes at one moment, and the snapshots and groups made of them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapLimit } from '#shared/async';
import { whileFrozen, withFreezable } from './freeze.ts';
import type { HoldOptions } from './freeze.ts';
import { groupIdOf, memberIdOf, snapshotIdOf } from './ids.ts';
import { cloneImage } from './images.ts';
import { loopDevicesOf } from './mounts.ts';
import { groupFolder, imageIn, snapshotFolder } from './pool.ts';
import type { Pool } from './pool.ts';
import { writeGroupRecord, writeSnapshotRecord } from './records.ts';
import type { Volume } from './records.ts';

/** As many as can run beside blocked freezes; each is one system call. */
const clonesAtOnce = 2;

export interface CopyContext {
  readonly pool: Pool;
  readonly hold: HoldOptions;
  readonly signal: AbortSignal;
}

/** A volume and the path its copy gets. */
interface Copy {
  readonly volume: Volume;
  readonly target: string;
}

/**
 * Copies volumes at one moment: those that are mounted are all frozen first, then all cloned, then all thawed.
 * The caller holds the locks of the volumes, so that none is mounted in between.
 */
export async function copyVolumes(
  copies: readonly Copy[],
  context: Omit<CopyContext, 'pool'>,
): Promise<{ atMs: number; frozenMs: number }> {
  const images = copies.map(({ volume }) => volume.image);
  const loops = await loopDevicesOf(images, context.signal);
  return withFreezable(loops, async (filesystems) => {
    const cloneAll = async (): Promise<void> => {
      await mapLimit(copies, clonesAtOnce, async ({ volume, target }) => cloneImage(volume.image, target));
    };
    const { atMs, heldMs } = await whileFrozen(filesystems, cloneAll, context.hold);
    const frozenMs = filesystems.length === 0 ? 0 : heldMs;
    context.hold.log('info', 'copied volumes', { volumes: copies.length, frozen: filesystems.length, frozenMs });
    return { atMs, frozenMs };
  });
}

/** Makes the snapshot of one volume. */
export async function createSnapshot(name: string, volume: Volume, context: CopyContext): Promise<void> {
  await context.pool.create(snapshotFolder(context.pool, snapshotIdOf(name), undefined), async (folder) => {
    const { atMs, frozenMs } = await copyVolumes([{ volume, target: imageIn(folder) }], context);
    const { id, fsType } = volume;
    await writeSnapshotRecord(folder, { version: 1, name, sourceVolumeId: id, fsType, createdAtMs: atMs, frozenMs });
  });
}

/** Makes snapshots of several volumes at one moment; they appear together or not at all. */
export async function createGroup(name: string, volumes: readonly Volume[], context: CopyContext): Promise<void> {
  const groupId = groupIdOf(name);
  await context.pool.create(groupFolder(context.pool, groupId), async (folder) => {
    const members = volumes.map((volume) => {
      const snapshotId = memberIdOf(groupId, volume.id);
      return { volume, snapshotId, folder: join(folder, snapshotId) };
    });
    for (const member of members) await mkdir(member.folder, { mode: 0o700 });
    const copies = members.map((member) => ({ volume: member.volume, target: imageIn(member.folder) }));
    const { atMs: createdAtMs, frozenMs } = await copyVolumes(copies, context);
    for (const { volume, folder: memberFolder } of members) {
      const { id: sourceVolumeId, fsType } = volume;
      await writeSnapshotRecord(memberFolder, { version: 1, name, sourceVolumeId, fsType, createdAtMs, frozenMs });
    }
    const snapshotIds = members.map((member) => member.snapshotId);
    await writeGroupRecord(folder, { version: 1, name, createdAtMs, snapshotIds });
  });
}
