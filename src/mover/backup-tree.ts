import { isAbort, SalvorError } from '#shared/errors';
import type { BlobId, BlobSink, BlobSource, SavedBlob, TreeNode } from '#repository/types';
import { captureDirectory, type Capture } from './capture.ts';
import { openRoot } from './directory.ts';
import { boundedList, reportedMax, type Issue, type Skipped } from './issues.ts';
import { nodeOf } from './metadata.ts';
import { errnoOf } from './posix/libc.ts';
import { readXattrs } from './posix/xattrs.ts';
import { createContentReader } from './read-content.ts';
import { scanTree, selection, type TreeCount } from './scan-tree.ts';

export interface BackupTreeOptions {
  /** The directory to read; the entries below it are captured. */
  readonly root: string;
  readonly sink: BlobSink;
  /** The repository's, see `Repository.chunkerPolynomial`. */
  readonly chunkerPolynomial: bigint;
  /** The tree of the backup before: files unchanged since then are not read. */
  readonly parent?: { readonly source: BlobSource; readonly tree: BlobId };
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

/** What was there and what is in the repository now. Complete only if both are equal and there are no issues. */
export interface TreeLedger {
  readonly plannedItems: number;
  readonly plannedBytes: number;
  readonly capturedItems: number;
  readonly capturedBytes: number;
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
  const select = selection(options.exclude ?? []);
  const { signal } = options;
  const planned = await scanTree(root, select, {
    signal,
    onProgress: ({ items, bytes }) => options.onProgress?.({ phase: 'scan', items, bytes }),
  });

  const issues = boundedList<Issue>(reportedMax);
  const skipped = boundedList<Skipped>(reportedMax);
  const done = { items: 0, bytes: 0 };
  const report = (bytesUnderway: number): void =>
    options.onProgress?.({
      phase: 'backup',
      items: done.items,
      bytes: done.bytes + bytesUnderway,
      plannedItems: planned.items,
      plannedBytes: planned.bytes,
    });
  const sink = countingSink(options.sink, signal);
  const reader = createContentReader(
    options.chunkerPolynomial,
    async (bytes) => (await sink.saveBlob('data', bytes)).id,
  );
  const capture: Capture = {
    select,
    parent: options.parent?.source,
    signal: sink.signal,
    reader,
    saveTree: sink.saveTree,
    hardLinks: new Map(),
    done,
    report,
    onSkipped: (entry) => skipped.add(entry),
    onIssue: (issue) => {
      issues.add(issue);
      options.onIssue?.(issue);
    },
  };
  const place = { directory: root, path: Buffer.alloc(0), depth: 0 };
  const { tree } = await captureDirectory(capture, place, options.parent?.tree);
  const stats = await root.handle.stat({ bigint: true });
  const node = { ...nodeOf(Buffer.alloc(0), stats, readXattrs(root.fd).xattrs), subtree: tree };
  return {
    tree,
    node,
    ledger: {
      plannedItems: planned.items,
      plannedBytes: planned.bytes,
      capturedItems: done.items,
      capturedBytes: done.bytes,
    },
    planned,
    ...sink.totals,
    issues: issues.kept,
    issuesTotal: issues.count,
    skipped: skipped.kept,
    skippedTotal: skipped.count,
  };
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

interface CountingSink {
  readonly saveBlob: (type: 'data', bytes: Uint8Array) => Promise<SavedBlob>;
  readonly saveTree: (nodes: readonly TreeNode[]) => Promise<SavedBlob>;
  /** The caller's, aborted too when the repository failed: then nothing that follows may pass for an unreadable file. */
  readonly signal: AbortSignal;
  readonly totals: { newBytes: number; storedBytes: number };
}

function countingSink(sink: BlobSink, caller: AbortSignal): CountingSink {
  const failed = new AbortController();
  const signal = AbortSignal.any([caller, failed.signal]);
  const totals = { newBytes: 0, storedBytes: 0 };
  const counted = async (attempt: Promise<SavedBlob>, contentBytes: number): Promise<SavedBlob> => {
    try {
      const saved = await attempt;
      if (saved.isNew) totals.newBytes += contentBytes;
      totals.storedBytes += saved.storedBytes;
      return saved;
    } catch (error) {
      if (!isAbort(error)) failed.abort(error);
      throw error;
    }
  };
  return {
    saveBlob: (type, bytes) => counted(sink.saveBlob(type, bytes, signal), bytes.length),
    saveTree: (nodes) => counted(sink.saveTree(nodes, signal), 0),
    signal,
    totals,
  };
}
