/** What lies beside an image: facts that the image itself does not tell. Its size is always read from the image. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fsTypes } from './capacity.ts';
import { parseGroupId, parseSnapshotId, parseVolumeId } from './ids.ts';
import type { GroupId, SnapshotId, VolumeId } from './ids.ts';
import { imageBytes } from './images.ts';
import { groupFolder, imageIn, snapshotFolder, volumeFolder } from './pool.ts';
import type { Pool } from './pool.ts';

const sourceSchema = z.union([z.object({ snapshotId: z.string() }), z.object({ volumeId: z.string() })]);

const volumeSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  fsType: z.enum(fsTypes),
  createdAtMs: z.number(),
  source: sourceSchema.optional(),
});

const snapshotSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  sourceVolumeId: z.string(),
  fsType: z.enum(fsTypes),
  /** The moment of the cut, when the volume was frozen. */
  createdAtMs: z.number(),
  frozenMs: z.number(),
});

const groupSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  createdAtMs: z.number(),
  snapshotIds: z.array(z.string()),
});

export type ContentSource = z.infer<typeof sourceSchema>;
export type VolumeRecord = z.infer<typeof volumeSchema>;
export type SnapshotRecord = z.infer<typeof snapshotSchema>;
export type GroupRecord = z.infer<typeof groupSchema>;

export interface Volume extends VolumeRecord {
  readonly id: VolumeId;
  readonly image: string;
  readonly bytes: number;
}

export interface Snapshot extends SnapshotRecord {
  readonly id: SnapshotId;
  readonly groupId: GroupId | undefined;
  readonly image: string;
  readonly bytes: number;
}

export interface Group extends GroupRecord {
  readonly id: GroupId;
  readonly snapshots: readonly Snapshot[];
}

export const writeVolumeRecord = async (folder: string, record: VolumeRecord): Promise<void> =>
  writeJson(join(folder, 'volume.json'), record);

export const writeSnapshotRecord = async (folder: string, record: SnapshotRecord): Promise<void> =>
  writeJson(join(folder, 'snapshot.json'), record);

export const writeGroupRecord = async (folder: string, record: GroupRecord): Promise<void> =>
  writeJson(join(folder, 'group.json'), record);

/** The volume, or undefined when there is none with this id (or the text is no id of ours). */
export async function findVolume(pool: Pool, text: string): Promise<Volume | undefined> {
  const id = parseVolumeId(text);
  if (id === undefined) return undefined;
  const folder = volumeFolder(pool, id);
  const record = await readJson(join(folder, 'volume.json'), volumeSchema);
  if (record === undefined) return undefined;
  const image = imageIn(folder);
  const bytes = await bytesIfThere(image);
  return bytes === undefined ? undefined : { ...record, id, image, bytes };
}

export async function findSnapshot(pool: Pool, text: string): Promise<Snapshot | undefined> {
  const parsed = parseSnapshotId(text);
  if (parsed === undefined) return undefined;
  const folder = snapshotFolder(pool, parsed.id, parsed.groupId);
  const record = await readJson(join(folder, 'snapshot.json'), snapshotSchema);
  if (record === undefined) return undefined;
  const image = imageIn(folder);
  const bytes = await bytesIfThere(image);
  return bytes === undefined ? undefined : { ...record, ...parsed, image, bytes };
}

export async function findGroup(pool: Pool, text: string): Promise<Group | undefined> {
  const id = parseGroupId(text);
  if (id === undefined) return undefined;
  const record = await readJson(join(groupFolder(pool, id), 'group.json'), groupSchema);
  if (record === undefined) return undefined;
  const snapshots: Snapshot[] = [];
  for (const snapshotId of record.snapshotIds) {
    const snapshot = await findSnapshot(pool, snapshotId);
    if (snapshot === undefined) throw new Error(`Snapshot ${snapshotId} of group ${id} is missing in the pool`);
    snapshots.push(snapshot);
  }
  return { ...record, id, snapshots };
}

/** Ids of all volumes, sorted. */
export const volumeIds = async (pool: Pool): Promise<string[]> =>
  (await readdir(pool.volumes)).filter((name) => parseVolumeId(name) !== undefined).sort();

/** Ids of all snapshots, those of groups included, sorted. */
export async function snapshotIds(pool: Pool): Promise<string[]> {
  const ids = await readdir(pool.snapshots);
  for (const group of await readdir(pool.groups)) ids.push(...(await readdirIfThere(join(pool.groups, group))));
  return ids.filter((name) => parseSnapshotId(name) !== undefined).sort();
}

// A list is read without locks: an entry can be deleted between two looks at it, and is then simply gone.
const bytesIfThere = async (image: string): Promise<number | undefined> => imageBytes(image).catch(nothingIfMissing);

const readdirIfThere = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(nothingIfMissing)) ?? [];

function nothingIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

const writeJson = async (path: string, value: unknown): Promise<void> =>
  writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 });

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(nothingIfMissing);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} cannot be read: it is damaged or from another version of the driver`, { cause: error });
  }
}
