import { closeSync, constants, readlinkSync } from 'node:fs';
import { formatTimeNs } from '#repository/rfc3339';
import { readFileText, type FileText } from '#repository/tree-text';
import { encodeNode, type NodeText } from '#repository/tree';
import type { TreeNode, Xattr } from '#repository/types';
import type { CaptureTarget, CaptureTotals } from './capture-target.ts';
import { captureXattrs } from './capture-xattrs.ts';
import { sameState } from '../directory.ts';
import { issueOf, type Issue } from '../issues.ts';
import { nodeOf, typeOf } from '../metadata.ts';
import { joinPath, printable } from '../names.ts';
import { openEntry } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';
import { statEntry, statOpen, type FileStat } from '../posix/stat.ts';
import type { XattrTarget } from '../posix/xattrs.ts';

/** Some entries of one directory, to be captured by one thread. Descriptors are those of the process. */
export interface EntriesJob {
  readonly kind: 'entries';
  readonly directory: number;
  /** Of the directory, relative to the root; for messages. */
  readonly path: Uint8Array;
  /** As latin1, a character per byte. */
  readonly names: readonly string[];
  /** What the backup before has of these names, as the text of nodes. */
  readonly parents: ReadonlyMap<string, string>;
  /** Reads also what would be answered as `apart`. */
  readonly all: boolean;
}

/** Names are in the job's order, without those that are answered elsewhere. */
export interface CapturedEntries extends CaptureTotals {
  readonly captured: readonly CapturedEntry[];
  readonly directories: readonly string[];
  /** To be captured in jobs of their own, to be shared among threads or done once. */
  readonly apart: readonly ApartEntry[];
  readonly issues: readonly Issue[];
}

export interface CapturedEntry extends NodeText {
  /** Bytes of content. */
  readonly bytes: number;
  /** False if the node is worth keeping, but is not what the source holds: an issue says why. */
  readonly complete: boolean;
}

export interface ApartEntry {
  readonly name: string;
  /** Of an inode with several names: which one, and how many names. */
  readonly link?: { readonly inode: string; readonly names: number };
}

/** A file above this is a job of its own, so that threads share the large files of a directory. */
const apartBytesMin = 4 * 1024 * 1024;

/** An entry that cannot be captured at all, by a code of ours. */
class EntryProblem extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Captures entries of a directory: what a thread of a backup does most. Only a failing repository is thrown. */
export async function captureEntries(job: EntriesJob, target: CaptureTarget): Promise<CapturedEntries> {
  const run: Run = { job, target, captured: [], directories: [], apart: [], issues: [] };
  const { newBytes, storedBytes } = target.totals;
  for (const name of job.names) {
    target.signal.throwIfAborted();
    try {
      const pending = captureEntry(run, name);
      if (pending !== undefined) await pending;
    } catch (error) {
      target.signal.throwIfAborted();
      const code = error instanceof EntryProblem ? error.code : errnoOf(error);
      if (code === undefined) throw error;
      run.issues.push(issueOf(pathOf(run, name), code, error));
    }
  }
  const { captured, directories, apart, issues } = run;
  return {
    captured,
    directories,
    apart,
    issues,
    newBytes: target.totals.newBytes - newBytes,
    storedBytes: target.totals.storedBytes - storedBytes,
  };
}

interface Run {
  readonly job: EntriesJob;
  readonly target: CaptureTarget;
  readonly captured: CapturedEntry[];
  readonly directories: string[];
  readonly apart: ApartEntry[];
  readonly issues: Issue[];
}

/** Most entries need no promise, and most of an incremental backup is this function. */
function captureEntry(run: Run, name: string): Promise<void> | undefined {
  const { job } = run;
  const stats = statEntry(job.directory, name);
  const type = typeOf(stats);
  if (type === 'dir') {
    if (job.all) throw new EntryProblem('ChangedWhileRead', 'it was replaced by a directory');
    run.directories.push(name);
    return undefined;
  }
  if (stats.nlink > 1n && !job.all) {
    run.apart.push({ name, link: { inode: `${stats.dev}:${stats.ino}`, names: Number(stats.nlink) } });
    return undefined;
  }
  if (type !== 'file') {
    captureSpecial(run, name, stats);
    return undefined;
  }
  const text = job.parents.get(name);
  if (stats.nlink === 1n && text !== undefined && isOurs(unchanged(text, stats, run.target), stats)) {
    // All that is recorded is what it was: what cannot be seen, the attributes, does not change without the ctime.
    run.captured.push({ name, text, bytes: Number(stats.size), complete: true });
    return undefined;
  }
  if (stats.size >= apartBytesMin && !job.all) {
    run.apart.push({ name });
    return undefined;
  }
  return captureFile(run, name);
}

/**
 * Whether a node may be taken over as it is written. Not what restic wrote, which records no attributes where it may not
 * read them; and a parent is input: what can be seen must be what it says.
 */
function isOurs(before: FileText | undefined, now: FileStat): boolean {
  if (before === undefined || before.isForeign) return false;
  const { mode, uid, gid } = nodeOf(Buffer.alloc(0), now, []);
  const atime = formatTimeNs(now.atimeNs);
  return before.mode === mode && before.uid === uid && before.gid === gid && before.atime === atime;
}

/** The content of the backup before, if the file is the same by all that the kernel tells and the blobs are all there, with its size. */
function unchanged(text: string, now: FileStat, target: CaptureTarget): FileText | undefined {
  const before = readFileText(text);
  if (before === undefined) return undefined;
  const same =
    before.size === Number(now.size) &&
    before.inode === String(now.ino) &&
    before.ctime === formatTimeNs(now.ctimeNs) &&
    before.mtime === formatTimeNs(now.mtimeNs);
  return same && contentBytes(before, target) === before.size ? before : undefined;
}

function contentBytes({ content }: FileText, target: CaptureTarget): number {
  return content.reduce((sum, id) => sum + (target.bytesOf(id) ?? Number.NaN), 0);
}

const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a regular file for reading, without following a symlink, without waiting for the writer of a FIFO that took
 * its place, and without changing its access time where the caller may ask for that.
 */
function openRegular(directory: number, name: string): number {
  try {
    return openEntry(directory, name, readFlags | constants.O_NOATIME);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return openEntry(directory, name, readFlags);
  }
}

async function captureFile(run: Run, name: string): Promise<void> {
  const fd = openRegular(run.job.directory, name);
  try {
    const before = statOpen(fd);
    if (typeOf(before) !== 'file') {
      throw new EntryProblem('ChangedWhileRead', 'it was replaced by something that is not a file');
    }
    const { xattrs, complete } = xattrsOf(run, name, fd);
    const text = run.job.parents.get(name);
    const known = text === undefined ? undefined : unchanged(text, before, run.target);
    if (known !== undefined) {
      add(run, { ...nodeOf(bytesOf(name), before, xattrs), size: known.size, content: known.content }, complete);
      return;
    }
    const { signal, reader, onBytes } = run.target;
    const { content, bytes } = await reader.read({ fd }, Number(before.size), { signal, onBytes });
    const changed = !sameState(before, statOpen(fd));
    if (changed) {
      const message = 'it changed while it was read; read a snapshot instead';
      run.issues.push({ path: printable(pathOf(run, name)), code: 'ChangedWhileRead', message });
    }
    add(run, { ...nodeOf(bytesOf(name), before, xattrs), size: bytes, content }, complete && !changed);
  } finally {
    closeSync(fd);
  }
}

function captureSpecial(run: Run, name: string, stats: FileStat): void {
  const path = Buffer.from(`/proc/self/fd/${run.job.directory}/${name}`, 'latin1');
  const { xattrs, complete } = xattrsOf(run, name, path);
  const node = nodeOf(bytesOf(name), stats, xattrs);
  if (node.type === 'irregular') throw new EntryProblem('UnknownType', 'it is of a type that cannot be captured');
  const linkTarget = node.type === 'symlink' ? { linkTarget: readlinkSync(path, { encoding: 'buffer' }) } : {};
  add(run, { ...node, ...linkTarget }, complete);
}

function add(run: Run, node: TreeNode, complete: boolean): void {
  run.captured.push({ ...encodeNode(node), bytes: node.size ?? 0, complete });
}

function xattrsOf(run: Run, name: string, target: XattrTarget): { xattrs: readonly Xattr[]; complete: boolean } {
  const { xattrs, issues } = captureXattrs(target, () => pathOf(run, name));
  run.issues.push(...issues);
  return { xattrs, complete: issues.length === 0 };
}

function pathOf(run: Run, name: string): Buffer {
  return joinPath(Buffer.from(run.job.path), bytesOf(name));
}

function bytesOf(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}
