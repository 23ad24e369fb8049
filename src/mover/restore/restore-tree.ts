import { SalvorError } from '#shared/errors';
import type { BlobId, PackSource, TreeNode } from '#repository/types';
import { applyToFile } from './apply-metadata.ts';
import { openChild, openRoot, type OpenDirectory } from '../directory.ts';
import type { Issue } from '../issues.ts';
import { errnoOf } from '../posix/libc.ts';
import { syncFileSystem } from '../posix/files.ts';
import { createBlobRestorer } from './restore-blobs.ts';
import { openDescriptors, targetDirectory } from './restore-directory.ts';
import { restoreDirectory, type RestoreRun } from './restore-entries.ts';
import { createRestoreReport } from './restore-report.ts';
import { createRestoreThreads } from './restore-threads.ts';

export interface RestoreTreeOptions {
  readonly source: PackSource;
  readonly tree: BlobId;
  /** An existing directory. */
  readonly target: string;
  /** The captured root: its owner, mode, attributes and times are given to the target. */
  readonly node?: TreeNode;
  /**
   * What to do with a target that holds something: refuse it, or take it for what an earlier run of the same restore
   * left: what is there is compared, and only what is missing is written. Entries of others are never touched.
   */
  readonly existing: 'refuse' | 'resume';
  readonly onProgress?: (progress: { readonly items: number; readonly bytes: number }) => void;
  readonly onIssue?: (issue: Issue) => void;
  /** Threads that open and write blobs. Default: one per core. */
  readonly threads?: number;
  readonly signal: AbortSignal;
}

export interface RestoreTreeResult {
  readonly items: number;
  readonly bytes: number;
  /** The first `reportedMax`; `issuesTotal` counts all. */
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
}

/**
 * Writes a tree of the repository into an empty directory, with all metadata, and makes it durable. Nothing outside of
 * the target can be touched, whatever the tree holds. An entry that cannot be restored whole is an issue; a repository
 * that cannot be reached, or a full target, ends the run.
 */
export async function restoreTree(options: RestoreTreeOptions): Promise<RestoreTreeResult> {
  const { source, signal, onProgress, onIssue } = options;
  await using target = await openTarget(options.target);
  if (options.existing === 'refuse') await refuseOccupied(target, options.target);
  const report = createRestoreReport({ onProgress, onIssue, signal });
  using unfinished = openDescriptors();
  await using threads = createRestoreThreads({ keys: source.keys, threads: options.threads });
  await using blobs = createBlobRestorer({ source, threads, signal });
  const root = targetDirectory({ fd: target.fd, path: Buffer.alloc(0), depth: 0, onLast: () => {} });
  const run: RestoreRun = {
    source,
    signal,
    threads,
    blobs,
    report,
    root,
    existing: options.existing,
    open: unfinished.open,
    hardLinks: new Map(),
  };
  await restoreDirectory(run, root, options.tree);
  await blobs.finish();
  if (options.node !== undefined) report.problems(root.path, applyToFile(options.node, root.fd));
  await makeDurable(target, options.target);
  return { ...report.totals, issues: report.issues.kept, issuesTotal: report.issues.count };
}

async function openTarget(path: string): Promise<OpenDirectory> {
  try {
    return await openRoot(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new SalvorError(`Cannot restore into ${path}`, {
      code: 'RestoreFailed',
      cause: error,
      hint: 'Check that the volume is mounted there and that the mover may write to it.',
    });
  }
}

/** The lost+found that a new ext file system has does not count. */
async function refuseOccupied(root: OpenDirectory, path: string): Promise<void> {
  for (const name of await root.names()) {
    if (name.toString('latin1') === 'lost+found') {
      await using lost = await openChild(root, name);
      if ((await lost.names()).length === 0) continue;
    }
    throw new SalvorError(`${path} is not empty`, {
      code: 'TargetExists',
      hint: 'Restore into a new volume; what is there is never overwritten.',
    });
  }
}

async function makeDurable(root: OpenDirectory, path: string): Promise<void> {
  try {
    await syncFileSystem(root.fd);
  } catch (error) {
    throw new SalvorError(`What was written to ${path} could not be made durable`, {
      code: 'RestoreFailed',
      cause: error,
      hint: 'The storage reported lost writes: restore into another volume.',
    });
  }
}
