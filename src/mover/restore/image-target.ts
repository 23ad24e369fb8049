import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { formatBytes } from '#shared/bytes';
import { SalvorError } from '#shared/errors';
import { deviceBytes } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';

/** An image file or a block device that is open for a restore. */
export interface ImageTarget extends Disposable {
  readonly fd: number;
  /** What is there: nothing but zeros in a file that was just made, anything on a device. */
  readonly found: 'zeros' | 'data';
}

export interface ImageTargetSetting {
  readonly path: string;
  /** Of the image: a device may be larger. */
  readonly bytes: number;
  readonly existing: 'refuse' | 'resume';
}

/** Makes an image file, or opens a device that nobody uses. Nothing is written if the image does not fit. */
export function openImageTarget(setting: ImageTargetSetting): ImageTarget {
  const { path, bytes, existing } = setting;
  const fd = openExclusively(setting);
  try {
    const stats = fstatSync(fd);
    if (stats.isBlockDevice()) {
      refuseTooSmall(path, deviceBytes(fd), bytes);
    } else if (stats.isFile()) {
      ftruncateSync(fd, bytes);
    } else {
      throw refused(`${path} is neither a file nor a block device`, 'Give the path of an image file or of a device.');
    }
    const found = stats.isBlockDevice() || existing === 'resume' ? 'data' : 'zeros';
    return { fd, found, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openExclusively({ path, existing }: ImageTargetSetting): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw cannotOpen(path, error);
  }
  try {
    // For a device, O_EXCL without O_CREAT is refused by the kernel while it is mounted or part of something else.
    const fd = openSync(path, constants.O_RDWR | constants.O_EXCL | constants.O_NONBLOCK);
    if (existing === 'resume' || !fstatSync(fd).isFile()) return fd;
    closeSync(fd);
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw cannotOpen(path, error);
    throw refused(`The device ${path} is in use`, 'Unmount it, and detach what is built on it.');
  }
  throw refused(`There is a file ${path} already`, 'Restore into a new file; what is there is never overwritten.');
}

function refuseTooSmall(path: string, found: number, wanted: number): void {
  if (found >= wanted) return;
  throw new SalvorError(`The device ${path} has ${formatBytes(found)}, the image ${formatBytes(wanted)}`, {
    code: 'RestoreFailed',
    hint: `Restore into a device of at least ${wanted} bytes.`,
  });
}

function refused(message: string, hint: string): SalvorError {
  return new SalvorError(message, { code: 'TargetExists', hint });
}

function cannotOpen(path: string, cause: unknown): SalvorError {
  return new SalvorError(`Cannot restore into ${path}`, {
    code: 'RestoreFailed',
    cause,
    hint: 'Check that the folder or device is there and that the mover may write to it.',
  });
}
