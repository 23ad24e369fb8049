import { execFileSync } from 'node:child_process';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const readBytes = 4 * 1024 * 1024;

/**
 * Makes every program start alike: what the one before it wrote is on the disk, and what this one will read is in
 * memory. Holes of images are read, too, which costs little.
 */
export async function settle(folders: readonly string[], signal: AbortSignal): Promise<void> {
  execFileSync('sync');
  const buffer = Buffer.allocUnsafe(readBytes);
  for (const file of (await Promise.all(folders.map(filesOf))).flat()) {
    signal.throwIfAborted();
    await using handle = await open(file);
    while ((await handle.read(buffer, 0, readBytes)).bytesRead > 0);
  }
}

/** Bytes of all files in a folder, as their lengths say. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const file of await filesOf(folder)) {
    await using handle = await open(file);
    bytes += (await handle.stat()).size;
  }
  return bytes;
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
