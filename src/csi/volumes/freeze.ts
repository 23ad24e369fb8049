import { open } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import type { Clock } from '#shared/time';
import { aborted, failedPrecondition } from '../errors.ts';
import type { Log } from '../log.ts';
import { deviceOf, isMountOf, readMounts } from './mounts.ts';
import type { LoopDevice } from './mounts.ts';
import { flushFilesystem, freezeFilesystem, thawFilesystem } from './system-calls.ts';

/** A mounted filesystem that can be held still. */
export interface Freezable {
  /** Where it is mounted, for messages. */
  readonly path: string;
  /** Writes what is dirty, so that the freeze has little left to write. */
  flush(): Promise<void>;
  freeze(): Promise<void>;
  /** Direct: it must work when every worker thread is blocked. Throws when the filesystem was not frozen. */
  thaw(): void;
}

/** What was done while everything was still, when that moment was (ms since the epoch), and how long it was held. */
export interface Held<T> {
  readonly value: T;
  readonly atMs: number;
  readonly heldMs: number;
}

export interface HoldOptions {
  /** After this long everything is thawed and the work counts as failed. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Half of the threads Node has for blocking calls by default: the other half must be able to make the clones. */
const freezesAtOnce = 2;

/**
 * Freezes all filesystems, does the work, thaws all of them, whatever fails. No filesystem is thawed before the work
 * has ended or the deadline has passed, so the work sees one moment of all of them.
 * @throws ABORTED when the deadline passed, or when somebody else thawed in between: then there was no such moment
 */
export async function whileFrozen<T>(
  filesystems: readonly Freezable[],
  work: () => Promise<T>,
  options: HoldOptions,
): Promise<Held<T>> {
  await Promise.all(filesystems.map(async (filesystem) => filesystem.flush()));
  const started = performance.now();
  const frozen = new Set<Freezable>();
  let over = false;

  const freeze = async (filesystem: Freezable): Promise<void> => {
    await filesystem.freeze();
    if (over) tryThaw(filesystem, options.log);
    else frozen.add(filesystem);
  };
  const hold = async (): Promise<{ value: T; atMs: number }> => {
    await mapLimit(filesystems, freezesAtOnce, freeze);
    const atMs = options.clock.now();
    return { value: await work(), atMs };
  };
  const deadline = deadlineAfter(options.deadlineMs);
  let thawFailures = 0;
  let heldMs = 0;
  let held: { value: T; atMs: number };
  try {
    held = await Promise.race([hold(), deadline.passed]);
  } finally {
    over = true;
    deadline.clear();
    for (const filesystem of frozen) if (!tryThaw(filesystem, options.log)) thawFailures++;
    heldMs = Math.round((performance.now() - started) * 10) / 10;
  }
  if (thawFailures > 0) throw aborted(`${thawFailures} of ${frozen.size} filesystems were not frozen until the end`);
  return { ...held, heldMs };
}

function deadlineAfter(ms: number): { passed: Promise<never>; clear: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(aborted(`the snapshot did not finish within ${ms} ms of freezing, so the volumes were thawed`));
  }, ms);
  return { passed: promise, clear: () => clearTimeout(timer) };
}

function tryThaw(filesystem: Freezable, log: Log): boolean {
  try {
    filesystem.thaw();
    return true;
  } catch (error) {
    log('error', 'a filesystem could not be thawed', { path: filesystem.path, error: String(error) });
    return false;
  }
}

/**
 * Opens the filesystems of attached images for freezing, and closes them after the work. An image without a loop
 * device needs no freeze.
 * @throws FAILED_PRECONDITION when an image is attached but its mount cannot be seen from here: fail closed
 */
export async function withFreezable<T>(
  loopsOfImages: readonly (readonly LoopDevice[])[],
  work: (filesystems: readonly Freezable[]) => Promise<T>,
): Promise<T> {
  await using stack = new AsyncDisposableStack();
  const mounts = await readMounts();
  const filesystems: Freezable[] = [];
  for (const loops of loopsOfImages) {
    if (loops.length === 0) continue;
    const paths = mounts.filter((mount) => isMountOf(mount, loops)).map((mount) => mount.path);
    const filesystem = await openFreezable(paths, loops, stack);
    if (filesystem === undefined) {
      const devices = loops.map((loop) => loop.path).join(', ');
      throw failedPrecondition(`the volume is attached as ${devices} but not mounted where this driver can freeze it`);
    }
    filesystems.push(filesystem);
  }
  // Awaited here: the descriptors close when this function returns.
  return await work(filesystems);
}

async function openFreezable(
  paths: readonly string[],
  loops: readonly LoopDevice[],
  stack: AsyncDisposableStack,
): Promise<Freezable | undefined> {
  for (const path of paths) {
    const handle = await open(path).catch(() => undefined);
    if (handle === undefined) continue;
    stack.use(handle);
    // Another mount may hide this path; freezing what hides it could freeze the root filesystem.
    const { dev } = await handle.stat();
    if (loops.some((loop) => loop.device === deviceOf(dev))) return freezable(path, handle.fd);
  }
  return undefined;
}

function freezable(path: string, fd: number): Freezable {
  return {
    path,
    flush: async () => flushFilesystem(fd),
    freeze: async () => {
      try {
        await freezeFilesystem(fd);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
        // Whoever froze it may thaw it at any moment; a snapshot that relied on that would promise too much.
        throw aborted(`${path} is already frozen by somebody else; thaw it with fsfreeze --unfreeze`, error);
      }
    },
    thaw: () => thawFilesystem(fd),
  };
}

/**
 * Thaws what a driver that was killed between freeze and thaw left frozen. To be called before anything else.
 * @returns where the filesystems that were frozen are mounted
 */
export async function thawLeftovers(loops: readonly LoopDevice[]): Promise<string[]> {
  const thawed: string[] = [];
  for (const loop of loops) {
    const paths = (await readMounts()).filter((mount) => isMountOf(mount, [loop])).map((mount) => mount.path);
    await using stack = new AsyncDisposableStack();
    const filesystem = await openFreezable(paths, [loop], stack);
    if (filesystem === undefined) continue;
    try {
      filesystem.thaw();
      thawed.push(filesystem.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    }
  }
  return thawed;
}
