import type { BigIntStats } from 'node:fs';
import { lstat, readlink, type FileHandle } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import type { BlobId, BlobSource, SavedBlob, TreeNode, Xattr } from '#repository/types';
import { openChild, openFile, sameState, treeDepthMax, type OpenDirectory } from './directory.ts';
import { issueOf, type Issue, type Skipped } from './issues.ts';
import { nodeOf, typeOf } from './metadata.ts';
import { byBytes, joinPath, printable } from './names.ts';
import { errnoOf } from './posix/libc.ts';
import { readXattrs, type XattrTarget } from './posix/xattrs.ts';
import type { ContentReader } from './read-content.ts';
import type { Selection } from './scan-tree.ts';

/** Entries of one directory in flight: small files wait for system calls and for the repository by turns. */
const entriesInFlight = 8;

/** One run over a source tree. */
export interface Capture {
  readonly select: Selection;
  /** Where the trees of the backup before are, if there was one. */
  readonly parent: BlobSource | undefined;
  readonly signal: AbortSignal;
  readonly reader: ContentReader;
  readonly saveTree: (nodes: readonly TreeNode[]) => Promise<SavedBlob>;
  /** Inodes with several names that are not all seen yet. */
  readonly hardLinks: Map<string, LinkedInode>;
  /** The right side of the ledger. */
  readonly done: { items: number; bytes: number };
  readonly report: (bytesUnderway: number) => void;
  readonly onIssue: (issue: Issue) => void;
  readonly onSkipped: (skipped: Skipped) => void;
}

interface LinkedInode {
  readonly captured: Promise<Captured>;
  namesLeft: number;
}

interface Captured {
  readonly node: TreeNode;
  /** False if the node is worth keeping, but is not what the source holds: an issue says why. */
  readonly complete: boolean;
}

interface CapturedDirectory {
  readonly tree: BlobId;
  /** False if entries came or went meanwhile. */
  readonly complete: boolean;
}

interface Place {
  readonly directory: OpenDirectory;
  /** Relative to the root. */
  readonly path: Buffer;
  readonly depth: number;
}

/** An entry that cannot be captured at all, by a code of ours. */
class EntryProblem extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Captures the entries of a directory, files side by side and then the directories one after another. */
export async function captureDirectory(
  capture: Capture,
  place: Place,
  parentTree?: BlobId,
): Promise<CapturedDirectory> {
  const before = await place.directory.handle.stat({ bigint: true });
  const parents = await loadParents(capture, parentTree);
  const nodes: TreeNode[] = [];
  const subdirectories: Buffer[] = [];
  await mapLimit(
    await place.directory.names(),
    entriesInFlight,
    async (name) => {
      const path = joinPath(place.path, name);
      const reason = await capture.select(place.directory, path);
      if (reason !== undefined) return capture.onSkipped({ path: printable(path), reason });
      await collect(capture, path, nodes, async () => {
        const captured = await captureEntry(capture, { ...place, path }, name, parents.get(name.toString('latin1')));
        if (captured === 'directory') subdirectories.push(name);
        return captured === 'directory' ? undefined : captured;
      });
    },
    capture.signal,
  );
  for (const name of subdirectories.sort(byBytes)) {
    const child = { ...place, path: joinPath(place.path, name) };
    const parent = parents.get(name.toString('latin1'));
    await collect(capture, child.path, nodes, () => captureSubdirectory(capture, child, name, parent?.subtree));
  }
  const after = await place.directory.handle.stat({ bigint: true });
  const complete = sameState(before, after);
  if (!complete) reportChange(capture, place.path);
  return { tree: (await capture.saveTree(nodes)).id, complete };
}

/** Runs one attempt: its node goes into the ledger, its failure into the issues. A broken repository is neither. */
async function collect(
  capture: Capture,
  path: Buffer,
  nodes: TreeNode[],
  attempt: () => Promise<Captured | undefined>,
): Promise<void> {
  try {
    const captured = await attempt();
    if (captured === undefined) return;
    nodes.push(captured.node);
    if (!captured.complete) return;
    capture.done.items++;
    capture.done.bytes += captured.node.size ?? 0;
    capture.report(0);
  } catch (error) {
    capture.signal.throwIfAborted();
    const code = error instanceof EntryProblem ? error.code : errnoOf(error);
    if (code === undefined) throw error;
    capture.onIssue(issueOf(path, code, error));
  }
}

async function loadParents(capture: Capture, tree: BlobId | undefined): Promise<Map<string, TreeNode>> {
  if (capture.parent === undefined || tree === undefined) return new Map();
  try {
    const nodes = await capture.parent.loadTree(tree, capture.signal);
    return new Map(nodes.map((node) => [node.name.toString('latin1'), node]));
  } catch {
    // The backup before only saves work: without it, everything is read.
    capture.signal.throwIfAborted();
    return new Map();
  }
}

async function captureEntry(
  capture: Capture,
  place: Place,
  name: Buffer,
  parent: TreeNode | undefined,
): Promise<Captured | 'directory'> {
  const stats = await lstat(place.directory.child(name), { bigint: true });
  if (stats.isDirectory()) return 'directory';
  const once = (): Promise<Captured> =>
    stats.isFile() ? captureFile(capture, place, name, parent) : captureSpecial(capture, place, name, stats);
  if (stats.nlink < 2n) return once();

  const key = `${stats.dev}:${stats.ino}`;
  const linked = capture.hardLinks.get(key) ?? { captured: once(), namesLeft: Number(stats.nlink) };
  linked.namesLeft--;
  if (linked.namesLeft === 0) capture.hardLinks.delete(key);
  else capture.hardLinks.set(key, linked);
  const { node, complete } = await linked.captured;
  return { node: { ...node, name }, complete };
}

async function captureFile(
  capture: Capture,
  place: Place,
  name: Buffer,
  parent: TreeNode | undefined,
): Promise<Captured> {
  await using file = await openFile(place.directory.child(name));
  const before = await file.stat({ bigint: true });
  if (!before.isFile()) throw new EntryProblem('ChangedWhileRead', 'it was replaced by something that is not a file');
  const { xattrs, complete } = xattrsOf(capture, place.path, file.fd);
  const node = nodeOf(name, before, xattrs);
  const known = unchangedContent(capture, before, parent);
  if (known !== undefined) return { node: { ...node, size: Number(before.size), content: known }, complete };

  const { content, bytes } = await readFile(capture, file, Number(before.size));
  const changed = !sameState(before, await file.stat({ bigint: true }));
  if (changed) reportChange(capture, place.path);
  return { node: { ...node, size: bytes, content }, complete: complete && !changed };
}

async function readFile(
  capture: Capture,
  file: FileHandle,
  size: number,
): Promise<{ content: readonly BlobId[]; bytes: number }> {
  let underway = 0;
  return capture.reader.read(file, size, {
    signal: capture.signal,
    onBytes: (bytes) => {
      underway += bytes;
      capture.report(underway);
    },
  });
}

/** The blobs of the backup before, if the file is the same by all that the kernel tells and the blobs are all there. */
function unchangedContent(
  capture: Capture,
  now: BigIntStats,
  parent: TreeNode | undefined,
): readonly BlobId[] | undefined {
  if (parent?.type !== 'file' || parent.content === undefined) return undefined;
  const same =
    BigInt(parent.size ?? 0) === now.size &&
    parent.mtimeNs === now.mtimeNs &&
    parent.ctimeNs === now.ctimeNs &&
    parent.inode === now.ino;
  return same && parent.content.every((id) => capture.parent?.hasBlob('data', id)) ? parent.content : undefined;
}

async function captureSpecial(capture: Capture, place: Place, name: Buffer, stats: BigIntStats): Promise<Captured> {
  const target = place.directory.child(name);
  const { xattrs, complete } = xattrsOf(capture, place.path, target);
  const node = nodeOf(name, stats, xattrs);
  if (typeOf(stats) === 'irregular') throw new EntryProblem('UnknownType', 'it is of a type that cannot be captured');
  if (node.type !== 'symlink') return { node, complete };
  return { node: { ...node, linkTarget: await readlink(target, { encoding: 'buffer' }) }, complete };
}

async function captureSubdirectory(
  capture: Capture,
  place: Place,
  name: Buffer,
  parentTree: BlobId | undefined,
): Promise<Captured> {
  if (place.depth === treeDepthMax) {
    throw new EntryProblem('TooDeep', `directories are nested more than ${treeDepthMax} deep`);
  }
  await using directory = await openChild(place.directory, name);
  const stats = await directory.handle.stat({ bigint: true });
  const { xattrs, complete } = xattrsOf(capture, place.path, directory.fd);
  const inside = { directory, path: place.path, depth: place.depth + 1 };
  const captured = await captureDirectory(capture, inside, parentTree);
  const node = { ...nodeOf(name, stats, xattrs), subtree: captured.tree };
  return { node, complete: complete && captured.complete };
}

function xattrsOf(
  capture: Capture,
  path: Buffer,
  target: XattrTarget,
): { xattrs: readonly Xattr[]; complete: boolean } {
  try {
    const { xattrs, unsupportedNames } = readXattrs(target);
    for (const name of unsupportedNames) {
      const message = `the extended attribute ${printable(name)} has a name that is not UTF-8, which restic's format cannot hold`;
      capture.onIssue({ path: printable(path), code: 'XattrName', message });
    }
    return { xattrs, complete: unsupportedNames.length === 0 };
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    capture.onIssue(issueOf(path, code, error));
    return { xattrs: [], complete: false };
  }
}

function reportChange(capture: Capture, path: Buffer): void {
  const message = 'it changed while it was read; read a snapshot instead';
  capture.onIssue({ path: printable(path), code: 'ChangedWhileRead', message });
}
