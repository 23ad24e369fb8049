/** Loop devices and mounts of images, as the kernel reports them: nothing about them is remembered. */
import { mkdir, readFile, rmdir, stat } from 'node:fs/promises';
import { waitFor } from '#shared/async';
import { runCommand } from './run-command.ts';

/** One line of /proc/self/mountinfo: what is mounted where. */
export interface Mount {
  /** The device of the filesystem as "major:minor". */
  readonly device: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** A loop device that an image is attached to. */
export interface LoopDevice {
  /** For example /dev/loop3. */
  readonly path: string;
  /** As "major:minor", the way mounts name it. */
  readonly device: string;
}

/** Mounts stacked on one path by retries of others; more than this is not something we made. */
const stackedMountsMax = 16;

/** The kernel lets go of a loop device a moment after its last unmount. */
const detachTimeoutMs = 5_000;

/** The mounts in the text of /proc/self/mountinfo, oldest first: of several on one path the last is the visible one. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [, , device, , path, options] = line.split(' ');
    if (device === undefined || path === undefined || options === undefined) continue;
    mounts.push({ device, path: unescapePath(path), readOnly: options.split(',').includes('ro') });
  }
  return mounts;
}

// The kernel writes space, tab, newline and backslash as three octal digits, byte by byte.
const unescapePath = (path: string): string =>
  path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** All mounts of this mount namespace. */
export const readMounts = async (): Promise<Mount[]> => parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));

/** What is mounted at exactly this path, if anything. */
export const mountAt = (mounts: readonly Mount[], path: string): Mount | undefined =>
  mounts.findLast((mount) => mount.path === path);

/** True when the mount shows the filesystem of one of these loop devices. */
export const isMountOf = (mount: Mount, loops: readonly LoopDevice[]): boolean =>
  loops.some((loop) => loop.device === mount.device);

/** A device number from stat as "major:minor": Linux keeps 12 bits of major above 8 bits of minor, the rest on top. */
export const deviceOf = (dev: number): string => `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xf_ff00)}`;

/**
 * The loop devices of each image, by inode and not by name: names repeat in other mount namespaces of the machine.
 * An image that does not exist has none.
 */
export async function loopDevicesOf(images: readonly string[], signal?: AbortSignal): Promise<LoopDevice[][]> {
  const columns = 'NAME,MAJ:MIN,BACK-MAJ:MIN,BACK-INO';
  const args = ['--list', '--noheadings', '--output', columns];
  const { stdout } = await runCommand('losetup', args, signal === undefined ? {} : { signal });
  const loopsByInode = new Map<string, LoopDevice[]>();
  for (const line of stdout.split('\n')) {
    const [path, device, backingDevice, backingInode] = line.trim().split(/\s+/);
    if (path === undefined || device === undefined || backingInode === undefined) continue;
    const inode = `${backingDevice}:${backingInode}`;
    loopsByInode.set(inode, [...(loopsByInode.get(inode) ?? []), { path, device }]);
  }
  return Promise.all(images.map(async (image) => loopsByInode.get(await inodeOf(image)) ?? []));
}

async function inodeOf(path: string): Promise<string> {
  try {
    const { dev, ino } = await stat(path);
    return `${deviceOf(dev)}:${ino}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    throw error;
  }
}

/**
 * Attaches an image and mounts its filesystem. The kernel detaches the loop device with the last unmount, also when
 * the whole mount namespace is killed.
 */
export async function mountImage(
  image: string,
  target: string,
  options: { fsType: string; flags: readonly string[]; signal: AbortSignal },
): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o750 });
  const flags = ['loop', ...options.flags].join(',');
  await runCommand('mount', ['-t', options.fsType, '-o', flags, image, target], { signal: options.signal });
}

/** Shows a mounted directory at a second path. */
export async function bindMount(
  source: string,
  target: string,
  options: { readOnly: boolean; signal: AbortSignal },
): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o750 });
  const flags = options.readOnly ? 'bind,ro' : 'bind';
  await runCommand('mount', ['-o', flags, source, target], { signal: options.signal });
}

/** Unmounts whatever is mounted at the path and removes the directory, which must then be empty. */
export async function unmountAndRemove(path: string, signal: AbortSignal): Promise<void> {
  for (let depth = 0; depth < stackedMountsMax; depth++) {
    if (mountAt(await readMounts(), path) === undefined) break;
    await runCommand('umount', [path], { signal });
  }
  try {
    await rmdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Resolves when no loop device holds the image any more, or when it is still mounted somewhere. */
export async function waitForDetach(image: string, signal: AbortSignal): Promise<void> {
  await waitFor(
    async () => {
      const [loops = []] = await loopDevicesOf([image], signal);
      if (loops.length === 0) return true;
      const mounts = await readMounts();
      return mounts.some((mount) => isMountOf(mount, loops)) || undefined;
    },
    { what: `the kernel to detach ${image}`, timeoutMs: detachTimeoutMs, intervalMs: 20, signal },
  );
}
