import { createRequire } from 'node:module';
import { getSystemErrorMap } from 'node:util';
import { messageOf } from '#shared/errors';

/**
 * The system calls that Node does not offer, from the libc that the Node process is linked with. Loaded at first use:
 * who only parses mover messages never loads native code.
 */
interface Libc {
  readonly flistxattr: (fd: number, list: Buffer, size: number) => number | bigint;
  readonly fgetxattr: (fd: number, name: Buffer, value: Buffer, size: number) => number | bigint;
  readonly fsetxattr: (fd: number, name: Buffer, value: Uint8Array, size: number, flags: number) => number;
  readonly fremovexattr: (fd: number, name: Buffer) => number;
  readonly llistxattr: (path: Buffer, list: Buffer, size: number) => number | bigint;
  readonly lgetxattr: (path: Buffer, name: Buffer, value: Buffer, size: number) => number | bigint;
  readonly lsetxattr: (path: Buffer, name: Buffer, value: Uint8Array, size: number, flags: number) => number;
  readonly lremovexattr: (path: Buffer, name: Buffer) => number;
  readonly utimensat: (dirfd: number, path: Buffer, times: Buffer, flags: number) => number;
  readonly futimens: (fd: number, times: Buffer) => number;
  readonly lseek: (fd: number, offset: number | bigint, whence: number) => number | bigint;
  readonly fallocate: (fd: number, mode: number, offset: number, bytes: number) => number;
  readonly mknod: (path: Buffer, mode: number, dev: bigint) => number;
  readonly statx: (dirfd: number, path: Buffer, flags: number, mask: number, into: Buffer) => number;
  readonly openat: (dirfd: number, path: Buffer, flags: number) => number;
  readonly posix_fadvise: (fd: number, offset: number, length: number, advice: number) => number;
  readonly syncfs: { readonly async: (fd: number, done: (error: unknown, result: number) => void) => void };
  readonly sync_file_range: {
    readonly async: (
      fd: number,
      offset: number,
      length: number,
      flags: number,
      done: (error: unknown, result: number) => void,
    ) => void;
  };
  /** With three numbers. */
  readonly syscall: (call: number, first: number, second: number, third: number) => number | bigint;
  readonly errno: () => number;
}

let loaded: Libc | undefined;

/** The bound functions. Paths and names end in a NUL byte (`cString`); results below 0 are errors (`checked`). */
export function libc(): Libc {
  loaded ??= bind();
  return loaded;
}

function bind(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load(null);
  const bytes = 'const void *';
  const bound = (name: string, result: string, parameters: string[]): unknown => library.func(name, result, parameters);
  return {
    flistxattr: bound('flistxattr', 'int64', ['int', 'void *', 'uint64']) as Libc['flistxattr'],
    fgetxattr: bound('fgetxattr', 'int64', ['int', bytes, 'void *', 'uint64']) as Libc['fgetxattr'],
    fsetxattr: bound('fsetxattr', 'int', ['int', bytes, bytes, 'uint64', 'int']) as Libc['fsetxattr'],
    fremovexattr: bound('fremovexattr', 'int', ['int', bytes]) as Libc['fremovexattr'],
    llistxattr: bound('llistxattr', 'int64', [bytes, 'void *', 'uint64']) as Libc['llistxattr'],
    lgetxattr: bound('lgetxattr', 'int64', [bytes, bytes, 'void *', 'uint64']) as Libc['lgetxattr'],
    lsetxattr: bound('lsetxattr', 'int', [bytes, bytes, bytes, 'uint64', 'int']) as Libc['lsetxattr'],
    lremovexattr: bound('lremovexattr', 'int', [bytes, bytes]) as Libc['lremovexattr'],
    utimensat: bound('utimensat', 'int', ['int', bytes, bytes, 'int']) as Libc['utimensat'],
    futimens: bound('futimens', 'int', ['int', bytes]) as Libc['futimens'],
    lseek: bound('lseek', 'int64', ['int', 'int64', 'int']) as Libc['lseek'],
    fallocate: bound('fallocate', 'int', ['int', 'int', 'int64', 'int64']) as Libc['fallocate'],
    mknod: bound('mknod', 'int', [bytes, 'uint32', 'uint64']) as Libc['mknod'],
    statx: bound('statx', 'int', ['int', bytes, 'int', 'unsigned int', 'void *']) as Libc['statx'],
    openat: bound('openat', 'int', ['int', bytes, 'int']) as Libc['openat'],
    posix_fadvise: bound('posix_fadvise', 'int', ['int', 'int64', 'int64', 'int']) as Libc['posix_fadvise'],
    syncfs: bound('syncfs', 'int', ['int']) as Libc['syncfs'],
    sync_file_range: bound('sync_file_range', 'int', [
      'int',
      'int64',
      'int64',
      'unsigned int',
    ]) as Libc['sync_file_range'],
    syscall: bound('syscall', 'int64', ['int64', 'int64', 'int64', 'int64']) as Libc['syscall'],
    errno: () => koffi.errno(),
  };
}

/** Bytes as C wants them: ended by NUL. A NUL inside would silently cut the name, so it is refused. */
export function cString(bytes: Buffer | string): Buffer {
  const plain = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  if (plain.includes(0)) throw errnoError('EINVAL', 'a name holds a NUL byte');
  return Buffer.concat([plain, Buffer.of(0)]);
}

/** The result as a number, or the error that errno names, shaped like the errors of `node:fs`. */
export function checked(result: number | bigint, syscall: string): number {
  if (result >= 0) return Number(result);
  const errno = libc().errno();
  const [code, text] = describeErrno(errno);
  throw errnoError(code, `${text}, ${syscall}`);
}

/** What damaged file systems and disks answer on Linux, and libuv has no name for: errno(3). */
const unnamedErrnos: ReadonlyMap<number, readonly [string, string]> = new Map([
  [74, ['EBADMSG', 'a checksum of the file system is wrong: it is damaged']],
  [117, ['EUCLEAN', 'structure needs cleaning: the file system is damaged']],
]);

function describeErrno(errno: number): readonly [string, string] {
  return getSystemErrorMap().get(-errno) ?? unnamedErrnos.get(errno) ?? [`E${errno}`, `system error ${errno}`];
}

/** An error like those of `node:fs`: `code` holds the errno's name. */
export function errnoError(code: string, text: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** The errno's name of an error from `node:fs` or from here, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  if (isUnnamed(error)) return describeErrno(-error.errno)[0];
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** The message of such an error, also where Node has no words for it. */
export function errnoMessage(error: unknown): string {
  return isUnnamed(error) ? describeErrno(-error.errno).join(': ') : messageOf(error);
}

/** `node:fs` gives "Unknown system error -117" as the code of what libuv does not name. */
function isUnnamed(error: unknown): error is Error & { readonly errno: number } {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return false;
  return typeof error.errno === 'number' && typeof error.code === 'string' && error.code.startsWith('Unknown system');
}
