import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { runCommand } from './command.ts';

const readBytes = 4 * 1024 * 1024;
/** Calls that block are several times cheaper for small files; between so many of them signals are heard. */
const filesPerTurn = 1000;

/**
 * Makes every program start alike: what the one before it wrote is on the disk, and what this one will read is in
 * memory. Holes of images are read, too, which costs little.
 */
export async function settle(folders: readonly string[], signal: AbortSignal): Promise<void> {
  execFileSync('sync');
  const buffer = Buffer.allocUnsafe(readBytes);
  for (const [index, file] of (await Promise.all(folders.map(filesOf))).flat().entries()) {
    if (index % filesPerTurn === 0) await nextTurn();
    signal.throwIfAborted();
    const fd = openSync(file, 'r');
    while (readSync(fd, buffer, 0, readBytes, null) > 0);
    closeSync(fd);
  }
}

/** Makes everything durable that was written to the file system of a folder; answers the seconds it took. */
export async function makeDurable(folder: string, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await runCommand({ argv: ['sync', '--file-system', folder], environment: { PATH: '/usr/bin:/bin' } }, signal);
  return (performance.now() - started) / 1000;
}

/** Bytes of all files in a folder, as their lengths say. */
export async function folderBytes(folder: string): Promise<number> {
  return (await filesOf(folder)).reduce((bytes, file) => bytes + statSync(file).size, 0);
}

/** Removes folders with all that is in them; a program of its own does that several times as fast. */
export function removeFolders(...folders: readonly string[]): void {
  execFileSync('rm', ['--recursive', '--force', ...folders]);
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
