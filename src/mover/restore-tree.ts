import { SalvorError } from '#shared/errors';
import type { BlobId, BlobSource, TreeNode } from '#repository/types';
import { applyToHandle } from './apply-metadata.ts';
import { openChild, openRoot, type OpenDirectory } from './directory.ts';
import { boundedList, issueOf, reportedMax, type Issue } from './issues.ts';
import { errnoOf } from './posix/libc.ts';
import { syncFileSystem } from './posix/files.ts';
import { restoreDirectory, type RestoreRun } from './restore-entries.ts';

export interface RestoreTreeOptions {
  readonly source: BlobSource;
  readonly tree: BlobId;
  /** An existing directory. */
  readonly target: string;
  /** The captured root: its owner, mode, attributes and times are given to the target. */
  readonly node?: TreeNode;
  /** What to do with a target that holds something: nothing else is offered, so that nothing is ever overwritten. */
  readonly existing: 'refuse';
  readonly onProgress?: (progress: { readonly items: number; readonly bytes: number }) => void;
  readonly onIssue?: (issue: Issue) => void;
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
  await using root = await openTarget(options.target);
  await refuseOccupied(root, options.target);
  const issues = boundedList<Issue>(reportedMax);
  const done = { items: 0, bytes: 0 };
  const run: RestoreRun = {
    root,
    source: options.source,
    signal: options.signal,
    hardLinks: new Map(),
    done,
    report: (underway) => options.onProgress?.({ items: done.items, bytes: done.bytes + underway }),
    onIssue: (issue) => {
      issues.add(issue);
      options.onIssue?.(issue);
    },
  };
  await restoreDirectory(run, { directory: root, path: Buffer.alloc(0), depth: 0 }, options.tree);
  for (const problem of options.node === undefined ? [] : await applyToHandle(options.node, root.handle)) {
    run.onIssue(issueOf(Buffer.alloc(0), errnoOf(problem.error) ?? 'Unknown', problem.error));
  }
  await makeDurable(root, options.target);
  return { ...done, issues: issues.kept, issuesTotal: issues.count };
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
