import { isAbort, SalvorError } from '#shared/errors';
import { plainBytes } from '#repository/pack';
import type { BlobId, BlobSink, PackSource, TreeNode } from '#repository/types';
import { captureDirectory, type Capture } from './capture-directory.ts';
import { createCaptureWork, type Crew } from './capture-job.ts';
import { createCaptureTarget } from './capture-target.ts';
import { openRoot } from '../directory.ts';
import { createForks } from './forks.ts';
import type { Issue, Skipped } from '../issues.ts';
import { nodeOf } from '../metadata.ts';
import { errnoOf } from '../posix/libc.ts';
import { statOpen } from '../posix/stat.ts';
import { readXattrs } from '../posix/xattrs.ts';
import { readWithoutBlocking } from './read-content.ts';
import { directoriesInFlight, scanTree, selectEntries, type TreeCount } from './scan-tree.ts';
import { createTally, type TreeLedger } from './tally.ts';

export interface BackupTreeOptions {
  /** The directory to read; the entries below it are captured. */
  readonly root: string;
  /** Takes trees, and content where there is no crew. */
  readonly sink: Pick<BlobSink, 'saveBlob'>;
  /** The threads that read; without them everything is done in this one. */
  readonly crew?: Crew;
  /** The repository's, see `Repository.chunkerPolynomial`. */
  readonly chunkerPolynomial: bigint;
  /** The tree of the backup before: files unchanged since then are not read. */
  readonly parent?: { readonly source: Pick<PackSource, 'findBlob' | 'hasBlob' | 'loadBlob'>; readonly tree: BlobId };
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onIssue?: (issue: Issue) => void;
  readonly signal: AbortSignal;
  /** Entries to leave out, by path relative to the root, with the reason to report. */
  readonly exclude?: readonly Skipped[];
}

export interface BackupProgress {
  readonly phase: 'scan' | 'backup';
  readonly items: number;
  readonly bytes: number;
  /** Known after the scan. */
  readonly plannedItems?: number;
  readonly plannedBytes?: number;
}

export interface BackupTreeResult {
  /** The tree of the root's entries. */
  readonly tree: BlobId;
  /** The root itself, with its metadata and the tree as `subtree`; its name is empty, for the caller to choose. */
  readonly node: TreeNode;
  readonly ledger: TreeLedger;
  readonly planned: TreeCount;
  /** Bytes of file content that the repository did not have. */
  readonly newBytes: number;
  /** Bytes that the run added to the store, trees included. */
  readonly storedBytes: number;
  /** The first `reportedMax`; `issuesTotal` counts all. */
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
  readonly skipped: readonly Skipped[];
  readonly skippedTotal: number;
}

/**
 * Reads a file tree into the repository, with all metadata that Linux keeps, in the way restic records it. Counts
 * first, then reads. What cannot be read, vanishes or changes while it is read becomes an issue and is missing in the
 * ledger; a failing repository or root ends the run.
 */
export async function backupTree(options: BackupTreeOptions): Promise<BackupTreeResult> {
  await using root = await openSource(options.root);
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const tally = createTally(options);
  const workers = options.crew ?? inlineCrew(options, signal);
  workers.onBytes((bytes) => tally.onBytes(bytes));
  const crew = failing(workers, failed);
  const select = await selectEntries(root, options.exclude ?? []);
  const planned = await scanTree(root, {
    crew,
    select,
    signal,
    onProgress: ({ items, bytes }) => options.onProgress?.({ phase: 'scan', items, bytes }),
  });
  tally.plan(planned);
  const capture: Capture = {
    crew,
    fork: createForks(directoriesInFlight),
    select,
    parent: options.parent?.source,
    signal,
    hardLinks: new Map(),
    saveTree: async (tree) => tally.onTree(await orFail(failed, options.sink.saveBlob('tree', tree, signal))),
    ...tally,
  };
  const { tree } = await captureDirectory(capture, { directory: root, path: '', depth: 0 }, options.parent?.tree);
  const node = { ...nodeOf(Buffer.alloc(0), statOpen(root.fd), readXattrs(root.fd).xattrs), subtree: tree };
  return { tree, node, planned, ...tally.result() };
}

async function openSource(path: string): Promise<Awaited<ReturnType<typeof openRoot>>> {
  try {
    return await openRoot(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new SalvorError(`Cannot read ${path}`, {
      code: 'SourceUnreadable',
      cause: error,
      hint: 'Check that the volume is mounted there and that the mover may read it.',
    });
  }
}

/** A crew whose failures end the run: then nothing that follows may pass for an unreadable file. */
function failing(crew: Crew, failed: AbortController): Crew {
  return { ...crew, run: async (job) => orFail(failed, crew.run(job)) };
}

async function orFail<T>(failed: AbortController, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    if (!isAbort(error)) failed.abort(error);
    throw error;
  }
}

/** Without threads: the jobs are done here, one after the other. */
function inlineCrew(options: BackupTreeOptions, signal: AbortSignal): Crew {
  const { sink, parent } = options;
  let listener: (bytes: number) => void = () => undefined;
  const target = createCaptureTarget({
    chunkerPolynomial: options.chunkerPolynomial,
    save: async (bytes) => sink.saveBlob('data', bytes, signal),
    bytesOf: (id) => {
      // What a prune is about to delete is still found, and must not be relied on.
      const place = parent?.source.hasBlob('data', id) === true ? parent.source.findBlob('data', id) : undefined;
      return place === undefined ? undefined : plainBytes(place);
    },
    readAt: readWithoutBlocking,
    signal,
    onBytes: (bytes) => listener(bytes),
  });
  return {
    run: createCaptureWork(target),
    onBytes: (given) => {
      listener = given;
    },
  };
}
