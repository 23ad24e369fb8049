/** The few system calls that Node lacks. Numbers from linux/fs.h and sys/file.h; the same on x86-64 and arm64. */
import koffi from 'koffi';

const FIFREEZE = 0xc004_5877;
const FITHAW = 0xc004_5878;
const LOCK_EX_NB = 2 | 4;

const libc = koffi.load('libc.so.6');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, long argument)');
const syncfs = libc.func('int syncfs(int fd)');
const flock = libc.func('int flock(int fd, int operation)');

/** Stops all writes to the filesystem of the descriptor, after what is in flight. In a worker thread: it may block. */
export const freezeFilesystem = async (fd: number): Promise<void> => inThread(ioctl, 'FIFREEZE', [fd, FIFREEZE, 0]);

/** Writes everything dirty of the filesystem of the descriptor to its device. In a worker thread: it may block. */
export const flushFilesystem = async (fd: number): Promise<void> => inThread(syncfs, 'syncfs', [fd]);

/**
 * Lets writes go on. Called directly and not in a worker thread: a thaw must never wait for a thread that is blocked
 * by a freeze. EINVAL says that the filesystem was not frozen.
 */
export function thawFilesystem(fd: number): void {
  if (ioctl(fd, FITHAW, 0) !== 0) throw systemError('FITHAW', koffi.errno());
}

/** An exclusive lock that ends with the process. EAGAIN says that somebody else holds it. */
export function lockFile(fd: number): void {
  if (flock(fd, LOCK_EX_NB) !== 0) throw systemError('flock', koffi.errno());
}

async function inThread(call: ReturnType<typeof libc.func>, name: string, args: readonly number[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  call.async(...args, (error: unknown, result: number) => {
    // koffi carries errno from the worker thread into this callback.
    const errno = koffi.errno();
    if (error) reject(error);
    else if (result === 0) resolve();
    else reject(systemError(name, errno));
  });
  return promise;
}

function systemError(call: string, errno: number): NodeJS.ErrnoException {
  const code = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call} failed: ${code}`), { code, errno, syscall: call });
}
