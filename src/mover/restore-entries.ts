import { constants, type BigIntStats } from 'node:fs';
import { link, lstat, mkdir, open, symlink, unlink } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import { SalvorError, type ErrorCode } from '#shared/errors';
import type { BlobId, BlobSource, TreeNode } from '#repository/types';
import { applyToHandle, applyToPath, type Problem } from './apply-metadata.ts';
import { openChild, treeDepthMax, type OpenDirectory } from './directory.ts';
import { issueOf, type Issue } from './issues.ts';
import { hardLinkKey } from './metadata.ts';
import { byBytes, isSafeName, joinPath } from './names.ts';
import { makeNode } from './posix/files.ts';
import { errnoOf } from './posix/libc.ts';
import { restoreContent } from './restore-content.ts';

/** Entries of one directory in flight; each holds one blob (8 MiB at most). */
const entriesInFlight = 4;

/** After these every further write fails as well, so the run ends. */
const fatalErrnos = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** Damage of single blobs and trees: the rest can be restored. */
const damageCodes = new Set<ErrorCode>(['RepositoryCorrupt', 'StoreCorrupt', 'StoreObjectMissing']);

/** One run into a target. */
export interface RestoreRun {
  readonly root: OpenDirectory;
  readonly source: BlobSource;
  readonly signal: AbortSignal;
  /** The first name of each inode that has more names to come. */
  readonly hardLinks: Map<string, FirstName>;
  readonly done: { items: number; bytes: number };
  readonly report: (bytesUnderway: number) => void;
  readonly onIssue: (issue: Issue) => void;
}

interface FirstName {
  readonly node: TreeNode;
  /** Relative to the root. */
  readonly path: Buffer;
  readonly restored: Promise<BigIntStats>;
  namesLeft: number;
}

interface Place {
  readonly directory: OpenDirectory;
  /** Relative to the root. */
  readonly path: Buffer;
  readonly depth: number;
}

/** An entry of a tree that must not or cannot be restored. */
class EntryProblem extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Restores the entries of a tree into an open directory: files side by side, then directories one by one. */
export async function restoreDirectory(run: RestoreRun, place: Place, tree: BlobId): Promise<void> {
  let nodes: readonly TreeNode[] = [];
  await attempt(run, place.path, async () => {
    nodes = await run.source.loadTree(tree, run.signal);
  });
  const directories = nodes.filter((node) => node.type === 'dir').sort((a, b) => byBytes(a.name, b.name));
  const others = nodes.filter((node) => node.type !== 'dir');
  const restoreOne = async (node: TreeNode): Promise<void> => {
    const path = joinPath(place.path, node.name);
    await attempt(run, path, async () => {
      // Checked here again although the repository refuses such trees: this is where it would do harm.
      if (!isSafeName(node.name)) throw new EntryProblem('UnsafeName', 'its name is not the name of an entry');
      if (node.type === 'dir') await restoreSubdirectory(run, { ...place, path }, node);
      else await restoreNamed(run, { ...place, path }, node);
      run.done.items++;
      run.done.bytes += node.size ?? 0;
      run.report(0);
    });
  };
  await mapLimit(others, entriesInFlight, restoreOne, run.signal);
  for (const node of directories) {
    run.signal.throwIfAborted();
    await restoreOne(node);
  }
}

/** What is wrong with one entry is an issue; what is wrong with the run is thrown. */
async function attempt(run: RestoreRun, path: Buffer, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof SalvorError && damageCodes.has(error.code)) {
      run.onIssue(issueOf(path, error.code, error));
      return;
    }
    const code = error instanceof EntryProblem ? error.code : errnoOf(error);
    if (code === undefined) throw error;
    if (fatalErrnos.has(code)) throw targetFailed(error);
    run.onIssue(issueOf(path, code, error));
  }
}

function targetFailed(error: unknown): SalvorError {
  return new SalvorError('The target cannot take more data', {
    code: 'RestoreFailed',
    cause: error,
    hint: 'Check its free space and health, then restore into a new volume.',
  });
}

/** An entry that may be another name of an inode that is there already. */
async function restoreNamed(run: RestoreRun, place: Place, node: TreeNode): Promise<void> {
  const key = hardLinkKey(node);
  const first = key === undefined ? undefined : run.hardLinks.get(key);
  if (key === undefined || (first !== undefined && !sameInode(first.node, node))) {
    await restoreNew(run, place, node);
  } else if (first === undefined) {
    const restored = restoreNew(run, place, node);
    run.hardLinks.set(key, { node, path: place.path, restored, namesLeft: (node.links ?? 1) - 1 });
    await restored;
  } else {
    first.namesLeft--;
    if (first.namesLeft <= 0) run.hardLinks.delete(key);
    await linkTo(run, place, node, first);
  }
}

/** Two names of one inode agree in everything: a tree that says otherwise must not lose one of the contents. */
function sameInode(first: TreeNode, other: TreeNode): boolean {
  return (
    first.type === other.type &&
    first.size === other.size &&
    first.mode === other.mode &&
    first.uid === other.uid &&
    first.gid === other.gid &&
    first.rdev === other.rdev &&
    (first.linkTarget?.equals(other.linkTarget ?? Buffer.alloc(0)) ?? other.linkTarget === undefined) &&
    first.content?.length === other.content?.length &&
    (first.content ?? []).every((id, index) => id === other.content?.[index])
  );
}

async function linkTo(run: RestoreRun, place: Place, node: TreeNode, first: FirstName): Promise<void> {
  const expected = await first.restored;
  const name = place.directory.child(node.name);
  await link(run.root.child(first.path), name);
  // The first name is found again by its path: if anybody put something else there, that is not what we link.
  const linked = await lstat(name, { bigint: true });
  if (linked.ino === expected.ino && linked.dev === expected.dev) return;
  await unlink(name);
  throw new EntryProblem('Replaced', 'the file it is a hard link to was replaced during the restore');
}

async function restoreNew(run: RestoreRun, place: Place, node: TreeNode): Promise<BigIntStats> {
  const path = place.directory.child(node.name);
  switch (node.type) {
    case 'file':
      return restoreFile(run, place, node);
    case 'symlink':
      await symlink(node.linkTarget ?? Buffer.alloc(0), path);
      break;
    case 'dev':
    case 'chardev':
    case 'fifo':
    case 'socket':
      makeNode(path, node.type, node.rdev ?? 0n);
      break;
    case 'dir':
    case 'irregular':
      throw new EntryProblem('UnknownType', `an entry of type ${node.type} cannot be restored here`);
    default:
      node.type satisfies never;
  }
  report(run, place.path, await applyToPath(node, path));
  return lstat(path, { bigint: true });
}

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

async function restoreFile(run: RestoreRun, place: Place, node: TreeNode): Promise<BigIntStats> {
  await using handle = await open(place.directory.child(node.name), newFile, 0o600);
  let underway = 0;
  await restoreContent(node, handle, {
    source: run.source,
    signal: run.signal,
    onBytes: (bytes) => {
      underway += bytes;
      run.report(underway);
    },
  });
  report(run, place.path, await applyToHandle(node, handle));
  return await handle.stat({ bigint: true });
}

async function restoreSubdirectory(run: RestoreRun, place: Place, node: TreeNode): Promise<void> {
  if (place.depth === treeDepthMax) {
    throw new EntryProblem('TooDeep', `directories are nested more than ${treeDepthMax} deep`);
  }
  if (node.subtree === undefined) throw new EntryProblem('NoTree', 'the directory has no tree');
  await makeDirectory(place, node.name);
  await using directory = await openChild(place.directory, node.name);
  await restoreDirectory(run, { directory, path: place.path, depth: place.depth + 1 }, node.subtree);
  // Last, because every entry made inside changes its times, and its mode may forbid making any.
  report(run, place.path, await applyToHandle(node, directory.handle));
}

async function makeDirectory(place: Place, name: Buffer): Promise<void> {
  try {
    await mkdir(place.directory.child(name), 0o700);
  } catch (error) {
    // The target was found empty but for its own lost+found.
    const isLostAndFound = place.depth === 0 && name.toString('latin1') === 'lost+found';
    if (errnoOf(error) !== 'EEXIST' || !isLostAndFound) throw error;
  }
}

function report(run: RestoreRun, path: Buffer, problems: readonly Problem[]): void {
  for (const { step, error } of problems) {
    const code = errnoOf(error) ?? 'Unknown';
    if (fatalErrnos.has(code) && code !== 'ENOSPC') throw targetFailed(error);
    const issue = issueOf(path, code, error);
    run.onIssue({ ...issue, message: `${step}: ${issue.message}` });
  }
}
