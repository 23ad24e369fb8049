import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { findNode, readContent } from '#repository/find';
import { messageOf, SalvorError } from '#shared/errors';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, StoreFlags } from '../flags.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { plain } from '../output/plain.ts';
import { writeOut } from '../output/stream.ts';
import { findSnapshotPath } from '../snapshot-path.ts';

export interface RepoDumpFlags extends StoreFlags, ClusterFlags {
  readonly target?: string;
}

/** `salvor repo dump ID:PATH`: the bytes of one file, every blob verified. */
export async function repoDump(this: CliContext, flags: RepoDumpFlags, place: string): Promise<void> {
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const { repository } = opened;
  const { snapshot, path } = await findSnapshotPath(repository, place, this.signal);
  const node = path === '/' ? undefined : await findNode(repository, snapshot.tree, path, this.signal);
  if (node?.type !== 'file') {
    const isThere = node !== undefined || path === '/';
    throw new SalvorError(isThere ? `It is not a file: ${plain(path)}` : `There is no ${plain(path)} in the snapshot`, {
      code: isThere ? 'InvalidInput' : 'NotFound',
      hint: 'List what is there: salvor repo ls ID:PATH. A folder is dumped by: restic dump --archive tar ID PATH',
    });
  }
  const content = readContent(repository, node, this.signal);
  if (flags.target === undefined) await writeOut(this, content);
  else await writeNewFile(flags.target, content);
}

/** A file that exists stays as it is; one that could not be finished is removed. */
async function writeNewFile(target: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await create(target);
  try {
    await using opened = file;
    await opened.writeFile(content);
    await opened.sync();
  } catch (error) {
    await unlink(target);
    throw error;
  }
}

async function create(target: string): Promise<FileHandle> {
  try {
    // What was in a backup is not for everyone on this machine.
    return await open(target, 'wx', 0o600);
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw new SalvorError(exists ? `${target} exists` : `Cannot write ${target}: ${messageOf(error)}`, {
      code: exists ? 'TargetExists' : 'InvalidInput',
      hint: 'Give a file that does not exist, in a folder that does.',
      cause: error,
    });
  }
}
