import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { once } from 'node:events';
import { SalvorError } from '#shared/errors';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock and this one starts to wait. */
  readonly onWait?: () => void;
}

/**
 * Does the work while holding an exclusive lock on a file. The kernel frees the lock when its holder dies, because it is
 * held by a `flock` process whose stdin is our pipe: no stale lock can be left by a kill.
 */
export async function withFileLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const release = (await tryLock(path, 'try', options.signal)) ?? (await waitForLock(path, options));
  try {
    return await work();
  } finally {
    release();
  }
}

async function waitForLock(path: string, options: LockOptions): Promise<() => void> {
  options.onWait?.();
  const release = await tryLock(path, 'wait', options.signal);
  if (release === undefined) throw new SalvorError(`Cannot lock ${path}`, { code: 'Internal' });
  return release;
}

/** Returns the function that frees the lock, or undefined if another process has it. */
async function tryLock(
  path: string,
  mode: 'try' | 'wait',
  signal: AbortSignal | undefined,
): Promise<(() => void) | undefined> {
  signal?.throwIfAborted();
  const args = [...(mode === 'try' ? ['--nonblock'] : []), path, 'sh', '-c', 'echo locked; exec cat'];
  const holder = spawn('flock', args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const ended = once(holder, 'close').then(() => false);
  const locked = once(holder.stdout, 'data').then(() => true);
  const aborted = (): void => void holder.kill();
  signal?.addEventListener('abort', aborted, { once: true });
  try {
    if (!(await Promise.race([locked, ended]))) {
      signal?.throwIfAborted();
      return undefined;
    }
  } finally {
    signal?.removeEventListener('abort', aborted);
  }
  return () => holder.stdin.end();
}
