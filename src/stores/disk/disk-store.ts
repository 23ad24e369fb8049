import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { link, mkdir, open, opendir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SalvorError } from '#shared/errors';
import { piecesOf, READ_BYTES_MAX } from '../body.ts';
import { cutShort, noObjectLock, objectMissing, pastTheEnd, tooLarge } from '../errors.ts';
import { checkKey, checkPrefix, checkRange, isKey } from '../keys.ts';
import type { CallOptions, GetOptions, ObjectBody, ObjectInfo, PutOptions, Store } from '../store.ts';
import { diskError, errnoOf } from './disk-errors.ts';

/** Objects being written lie here, on the same filesystem, until a rename makes them visible. */
const STAGING = '.salvor-tmp';

/** What a crashed writer left is removed after a day: no upload of one object takes that long. */
const STAGING_AGE_MS_MAX = 24 * 3600 * 1000;

/**
 * A folder as a store: local disk or NFS. A put is durable when it resolves: the file and its directory are synced,
 * and a rename makes it visible at once. The folder is made by the first put.
 */
export async function openDiskStore(root: string): Promise<Store> {
  await removeAbandoned(join(root, STAGING));
  const location = `disk:${root}`;
  const disk: DiskFolder = { root, location, synced: new Set() };
  return {
    location,
    put: async (key, body, options) => put(disk, key, body, options),
    get: async (key, options) => get(disk, key, options),
    head: async (key, options) => head(disk, key, options),
    list: (prefix, options) => list(disk, prefix, options),
    delete: async (key, options) => remove(disk, key, options),
    async close() {},
  };
}

interface DiskFolder {
  readonly root: string;
  readonly location: string;
  /** Folders below the root that this process knows to be durable. */
  readonly synced: Set<string>;
}

function pathOf(disk: DiskFolder, key: string): string {
  checkKey(key);
  if (isStaging(key)) {
    throw new SalvorError(`The key ${key} is reserved`, { code: 'InvalidInput' });
  }
  return join(disk.root, key);
}

function isStaging(key: string): boolean {
  return key === STAGING || key.startsWith(`${STAGING}/`);
}

async function put(disk: DiskFolder, key: string, body: ObjectBody, options?: PutOptions): Promise<boolean> {
  const path = pathOf(disk, key);
  if (options?.retention !== undefined) throw noObjectLock(disk.location);
  options?.signal?.throwIfAborted();
  const staged = join(disk.root, STAGING, randomBytes(12).toString('hex'));
  try {
    await ensureFolder(disk, dirname(staged));
    await ensureFolder(disk, dirname(path));
    await writeSynced(staged, body, options);
    if (options?.ifAbsent === true) {
      if (!(await linkIfAbsent(staged, path))) return false;
    } else {
      await rename(staged, path);
    }
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    throw diskError(error, `writing ${key} to ${disk.location}`);
  } finally {
    // After a rename there is nothing left to remove; a failure here must not hide the outcome, and a later open cleans up.
    await rm(staged, { force: true }).catch(() => undefined);
  }
}

async function get(disk: DiskFolder, key: string, options?: GetOptions): Promise<Buffer> {
  const path = pathOf(disk, key);
  const { offset = 0, length, signal } = options ?? {};
  checkRange(offset, length);
  signal?.throwIfAborted();
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const wanted = length ?? Math.max(0, size - offset);
    if (offset + wanted > size) throw pastTheEnd(disk.location, key, Math.max(0, size - offset), wanted);
    if (wanted > READ_BYTES_MAX) throw tooLarge(disk.location, key, READ_BYTES_MAX);
    const bytes = Buffer.allocUnsafe(wanted);
    for (let filled = 0; filled < wanted;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(bytes, filled, wanted - filled, offset + filled);
      if (bytesRead === 0) throw cutShort(disk.location, key, filled, wanted);
      filled += bytesRead;
    }
    return bytes;
  } catch (error) {
    if (isMissing(error)) throw objectMissing(disk.location, key, error);
    throw diskError(error, `reading ${key} from ${disk.location}`);
  }
}

async function head(disk: DiskFolder, key: string, options?: CallOptions): Promise<ObjectInfo | undefined> {
  const path = pathOf(disk, key);
  options?.signal?.throwIfAborted();
  try {
    const info = await stat(path);
    return info.isFile() ? { key, size: info.size, modifiedMs: info.mtimeMs } : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw diskError(error, `looking at ${key} in ${disk.location}`);
  }
}

async function* list(disk: DiskFolder, prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
  checkPrefix(prefix);
  const folders = [prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : ''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of entriesOf(disk, folder)) {
      options?.signal?.throwIfAborted();
      const key = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (isStaging(key)) continue;
      if (entry.isDirectory()) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) folders.push(key);
      } else if (entry.isFile() && key.startsWith(prefix) && isKey(key)) {
        const info = await head(disk, key, options);
        if (info !== undefined) yield info;
      }
    }
  }
}

async function* entriesOf(disk: DiskFolder, folder: string): AsyncIterable<Dirent> {
  try {
    yield* await opendir(join(disk.root, folder), { bufferSize: 256 });
  } catch (error) {
    if (!isMissing(error))
      throw diskError(error, `listing ${folder === '' ? 'the folder' : folder} of ${disk.location}`);
  }
}

async function remove(disk: DiskFolder, key: string, options?: CallOptions): Promise<void> {
  const path = pathOf(disk, key);
  options?.signal?.throwIfAborted();
  try {
    await rm(path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (!isMissing(error)) throw diskError(error, `deleting ${key} from ${disk.location}`);
  }
}

/** `ENOTDIR`: a parent of the key is a file, so the key cannot be there either. */
function isMissing(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

async function writeSynced(path: string, body: ObjectBody, options: PutOptions | undefined): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  const signal = options?.signal === undefined ? {} : { signal: options.signal };
  await file.writeFile(body instanceof Uint8Array ? body : piecesOf(body, options), signal);
  await file.sync();
}

/** A hard link is the one portable call that makes a name appear with all its bytes only if it is free. */
async function linkIfAbsent(staged: string, path: string): Promise<boolean> {
  try {
    await link(staged, path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') return false;
    if (errno === 'EPERM' || errno === 'ENOTSUP' || errno === 'ENOSYS') {
      throw new SalvorError(`The filesystem of ${path} does not offer hard links`, {
        code: 'StoreFailed',
        hint: 'Put the store on a filesystem with hard links: ext4, XFS, Btrfs, ZFS, NFS.',
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Makes a folder, and durable: a synced file in a folder that is not synced is lost with it. One that is there may be
 * of a writer that crashed before its sync, so this process syncs each folder once.
 */
async function ensureFolder(disk: DiskFolder, path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined) forget(disk, made);
  // What is above the root and was there before is not ours, and may not be ours to open.
  const top = made !== undefined && made.length <= disk.root.length ? dirname(made) : disk.root;
  const syncing: string[] = [];
  for (let folder = path; folder !== top && !disk.synced.has(folder); folder = dirname(folder)) syncing.push(folder);
  for (const folder of syncing.reverse()) {
    await syncFolder(dirname(folder));
    disk.synced.add(folder);
  }
}

/** A folder that had to be made again is not the one that was synced, and neither is what is in it. */
function forget(disk: DiskFolder, made: string): void {
  for (const folder of disk.synced) if (`${folder}/`.startsWith(`${made}/`)) disk.synced.delete(folder);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Some network and FUSE filesystems do not sync directories: their renames are as durable as they get.
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOTSUP') throw error;
  }
}

async function removeAbandoned(staging: string): Promise<void> {
  const names = await readdir(staging).catch(() => []);
  for (const name of names) {
    const path = join(staging, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > STAGING_AGE_MS_MAX) {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }
}
