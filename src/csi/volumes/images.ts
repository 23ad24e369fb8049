/** Image files: a filesystem in a sparse file, cloned by sharing blocks. */
import { constants, copyFile, open, stat } from 'node:fs/promises';
import type { FsType } from './capacity.ts';
import { aborted, failedPrecondition } from '../errors.ts';
import { CommandError, runCommand } from './run-command.ts';

/** A journal is replayed in seconds; a full check of a damaged large filesystem may take minutes. */
const checkTimeoutMs = 15 * 60_000;

/** Growth writes group descriptors and little else. */
const growTimeoutMs = 5 * 60_000;

/** What flock answers when somebody holds the lock; none of the tools has this exit code. */
const lockedExitCode = 75;

/** An image may end within a block; that much does not count as room to grow. */
const ext4BlockBytesMax = 64 * 1024;

/** Makes a sparse image with an empty filesystem. */
export async function createImage(
  path: string,
  options: { bytes: number; fsType: FsType; signal: AbortSignal },
): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(options.bytes);
  const { signal } = options;
  switch (options.fsType) {
    case 'ext4':
      // No blocks reserved for root: the volume belongs to one application, and users count every byte.
      await runCommand('mkfs.ext4', ['-q', '-F', '-m', '0', path], { signal });
      break;
    case 'xfs':
      await runCommand('mkfs.xfs', ['-q', '-f', path], { signal });
      break;
    default:
      options.fsType satisfies never;
  }
}

/** One FICLONE: the target shares all blocks of the source, in milliseconds, or it fails; bytes are never copied. */
export const cloneImage = async (source: string, target: string): Promise<void> =>
  copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);

export const imageBytes = async (path: string): Promise<number> => (await stat(path)).size;

/** Makes the image larger; the filesystem in it grows when it is mounted. One system call, so nothing is half-made. */
export async function extendImage(path: string, bytes: number): Promise<void> {
  if ((await imageBytes(path)) >= bytes) return;
  await using file = await open(path, 'r+');
  await file.truncate(bytes);
  await file.sync();
}

/**
 * Makes an image that is attached nowhere ready to be mounted: replays the journal, repairs what is safe to repair,
 * grows the filesystem to the size of the image. Refuses a damaged one.
 */
export async function prepareImage(path: string, fsType: FsType): Promise<void> {
  // XFS replays its log in mount, grows only when mounted, and its repair must not run without somebody looking.
  if (fsType !== 'ext4') return;
  const grows = (await ext4Bytes(path)) + ext4BlockBytesMax <= (await imageBytes(path));
  // Exit code 1: everything found was corrected.
  const check = { exitCodes: [0, 1], timeoutMs: checkTimeoutMs };
  await runLocked(path, ['e2fsck', ...(grows ? ['-f', '-p'] : ['-p']), path], check);
  if (grows) await runLocked(path, ['resize2fs', path], { exitCodes: [0], timeoutMs: growTimeoutMs });
}

/**
 * Runs a tool that changes an image under a lock that the tool itself holds: it outlives a driver that is killed, and
 * the next driver must not run a second one on the same image, or mount it. No signal either: a repair is better
 * finished than interrupted.
 */
async function runLocked(
  path: string,
  command: readonly string[],
  options: { exitCodes: readonly number[]; timeoutMs: number },
): Promise<void> {
  const args = ['--nonblock', '--conflict-exit-code', String(lockedExitCode), path, ...command];
  try {
    await runCommand('flock', args, options);
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== lockedExitCode) throw error;
    throw aborted(`${path} is still being repaired or grown by a tool that an earlier driver started`, error);
  }
}

/** The size of the filesystem as its superblock has it (struct ext4_super_block in the kernel's documentation). */
async function ext4Bytes(path: string): Promise<number> {
  await using file = await open(path, 'r');
  const superblock = Buffer.alloc(1024);
  await file.read(superblock, { position: 1024 });
  if (superblock.readUInt16LE(0x38) !== 0xef53) throw new Error(`${path} has no ext4 filesystem`);
  const blocks = superblock.readUInt32LE(0x4) + superblock.readUInt32LE(0x150) * 2 ** 32;
  return blocks * 1024 * 2 ** superblock.readUInt32LE(0x18);
}

/**
 * Grows a mounted filesystem to the size of its image. Does nothing when it is that size.
 * @throws FAILED_PRECONDITION for a mounted ext4 when the driver lacks CAP_SYS_RESOURCE, which Linux asks for
 */
export async function growMounted(mounted: { loop: string; path: string; fsType: FsType }): Promise<void> {
  // The loop device keeps the size it was attached with until told to look again.
  await runCommand('losetup', ['--set-capacity', mounted.loop]);
  switch (mounted.fsType) {
    case 'ext4':
      await runCommand('resize2fs', [mounted.loop], { timeoutMs: growTimeoutMs }).catch(explainPermission);
      break;
    case 'xfs':
      await runCommand('xfs_growfs', ['-d', mounted.path], { timeoutMs: growTimeoutMs });
      break;
    default:
      mounted.fsType satisfies never;
  }
}

function explainPermission(error: Error): never {
  if (!error.message.includes('Permission denied to resize')) throw error;
  const why = 'growing a mounted ext4 needs CAP_SYS_RESOURCE, which the driver does not have here';
  throw failedPrecondition(`${why}; the volume grows when it is staged next (restart the pod)`);
}

/** True for filesystems that grow only when they are mounted: mounting one is whole only after that. */
export const growsMountedOnly = (fsType: FsType): boolean => fsType === 'xfs';

/**
 * Mount options of a filesystem type. XFS refuses to mount a second filesystem with the same UUID, and the clone of a
 * volume has the UUID of its source.
 */
export const mountFlagsOf = (fsType: FsType): readonly string[] => (fsType === 'xfs' ? ['nouuid'] : []);
