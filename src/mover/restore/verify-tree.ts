import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { BlobId, PackSource, TreeNode } from '#repository/types';
import { createFileComparer } from './compare-content.ts';
import { compareMetadata } from './compare-metadata.ts';
import type { Difference } from './differences.ts';
import { openRoot } from '../directory.ts';
import { boundedList, reportedMax } from '../issues.ts';
import { byBytes, joinPath, printable } from '../names.ts';
import { readXattrs } from '../posix/xattrs.ts';
import { keepOpenBounded, openDescriptors, targetDirectory, type TargetDirectory } from './restore-directory.ts';
import { createRestoreThreads } from './restore-threads.ts';
import {
  differUnreadable,
  entryOf,
  verifyFile,
  verifySpecial,
  type Verification,
  type VerifiedEntry,
} from './verify-entries.ts';

export interface VerifyTreeOptions {
  readonly source: PackSource;
  readonly tree: BlobId;
  readonly target: string;
  /** The captured root, to be compared with the target itself. */
  readonly node?: TreeNode;
  readonly onProgress?: (progress: { readonly items: number; readonly bytes: number }) => void;
  /** Threads that read and hash. Default: one per core. */
  readonly threads?: number;
  readonly signal: AbortSignal;
}

export interface VerifyTreeResult {
  /** Entries and bytes that were compared. */
  readonly items: number;
  readonly bytes: number;
  /** The first `reportedMax`; `differencesTotal` counts all. */
  readonly differences: readonly Difference[];
  readonly differencesTotal: number;
}

/** Entries between two looks at signals and timers. */
const entriesBetweenPauses = 256;
/** Subdirectories whose trees are asked for together. */
const treesExpected = 64;

/**
 * Reads a restored tree back and compares it with the repository: every entry, its metadata and every byte. Access and
 * change times are not compared, as reading and restoring set them. Throws only if the repository cannot be read.
 */
export async function verifyTree(options: VerifyTreeOptions): Promise<VerifyTreeResult> {
  const { source, signal } = options;
  await using target = await openRoot(options.target);
  const differences = boundedList<Difference>(reportedMax);
  const done = { items: 0, bytes: 0 };
  using unfinished = openDescriptors();
  await using threads = createRestoreThreads({ keys: source.keys, threads: options.threads });
  await using comparer = createFileComparer({ source, threads, signal });
  const run: Verification = {
    source,
    signal,
    comparer,
    open: unfinished.open,
    inodeOfGroup: new Map(),
    groupOfInode: new Map(),
    done,
    report: () => options.onProgress?.({ ...done }),
    differ: (path, found) => differences.add({ path: printable(path), ...found }),
  };
  const root = targetDirectory({ fd: target.fd, path: Buffer.alloc(0), depth: 0, onLast: () => {} });
  await verifyDirectory(run, root, options.tree);
  await comparer.finish();
  if (options.node !== undefined) {
    const stats = fstatSync(root.fd, { bigint: true });
    const differs = compareMetadata(options.node, stats, readXattrs(root.fd).xattrs);
    for (const found of differs) run.differ(root.path, found);
  }
  return { ...done, differences: differences.kept, differencesTotal: differences.count };
}

async function verifyDirectory(run: Verification, directory: TargetDirectory, tree: BlobId): Promise<void> {
  const nodes = await run.source.loadTree(tree, run.signal);
  findUnexpected(run, directory, nodes);
  for (const [index, node] of nodes.entries()) {
    if (node.type === 'dir') continue;
    run.signal.throwIfAborted();
    if (index % entriesBetweenPauses === 0) await setImmediate();
    const entry = entryOf(directory, node);
    if (node.type === 'file') await verifyFile(run, entry);
    else verifySpecial(run, entry);
  }
  const directories = nodes.filter(({ type }) => type === 'dir');
  for (const [index, node] of directories.entries()) {
    run.signal.throwIfAborted();
    const ahead = index % treesExpected === 0 ? directories.slice(index, index + treesExpected) : [];
    run.source.expectTrees(
      ahead.flatMap(({ subtree }) => subtree ?? []),
      run.signal,
    );
    await verifySubdirectory(run, entryOf(directory, node));
    await keepOpenBounded(run.open, run.comparer.makeRoom);
  }
}

function findUnexpected(run: Verification, directory: TargetDirectory, nodes: readonly TreeNode[]): void {
  const expected = new Set(nodes.map((node) => node.name.toString('latin1')));
  for (const name of namesIn(directory)) {
    if (expected.has(name.toString('latin1')) || isOwnLostAndFound(directory, name)) continue;
    const found = 'an entry that is not in the repository';
    run.differ(joinPath(directory.path, name), { what: 'existence', expected: 'nothing', found });
  }
}

/** What the file system of the target made itself. */
function isOwnLostAndFound(directory: TargetDirectory, name: Buffer): boolean {
  if (directory.depth > 0 || name.toString('latin1') !== 'lost+found') return false;
  const place = directory.child(name);
  return lstatSync(place).isDirectory() && readdirSync(place).length === 0;
}

function namesIn(directory: Pick<TargetDirectory, 'child'>): Buffer[] {
  return readdirSync(directory.child(Buffer.alloc(0)), { encoding: 'buffer' }).sort(byBytes);
}

async function verifySubdirectory(run: Verification, entry: VerifiedEntry): Promise<void> {
  const { node, path, place, directory: parent } = entry;
  try {
    const stats = lstatSync(place, { bigint: true });
    const differs = compareMetadata(node, stats, stats.isDirectory() ? readXattrs(place).xattrs : []);
    for (const found of differs) run.differ(path, found);
    if (stats.isDirectory() && node.subtree !== undefined) {
      const fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      run.open.add(fd);
      const onLast = (): void => {
        run.open.delete(fd);
        closeSync(fd);
      };
      const directory = targetDirectory({ fd, path, depth: parent.depth + 1, onLast });
      await verifyDirectory(run, directory, node.subtree);
      directory.release();
    }
  } catch (error) {
    differUnreadable(run, entry, error);
  }
  run.done.items++;
  run.report();
}
