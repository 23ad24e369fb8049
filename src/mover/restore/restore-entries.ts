import { linkSync, lstatSync, readlinkSync, symlinkSync, unlinkSync, type BigIntStats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { BlobId, TreeNode } from '#repository/types';
import { applyToPath } from './apply-metadata.ts';
import { treeDepthMax } from '../directory.ts';
import { hardLinkKey, typeOf } from '../metadata.ts';
import { byBytes, isSafeName, joinPath } from '../names.ts';
import { makeNode } from '../posix/files.ts';
import { restoreFile } from './restore-content.ts';
import { keepOpenBounded, openTargetDirectory, type TargetDirectory } from './restore-directory.ts';
import { EntryProblem, type RestoreReport } from './restore-report.ts';
import type { ContentRun } from './want-content.ts';

/** Entries between two looks at signals and timers: about ten milliseconds of work. */
const entriesBetweenPauses = 128;
/** Subdirectories whose trees are asked for together. */
const treesExpected = 64;

/** One run into a target. */
export interface RestoreRun extends ContentRun {
  /** What is there already: an error, or what an earlier run left, to be completed. */
  readonly existing: 'refuse' | 'resume';
  readonly report: RestoreReport;
  readonly root: TargetDirectory;
  /** Descriptors of what is not finished yet. */
  readonly open: Set<number>;
  /** The first name of each inode that has more names to come. */
  readonly hardLinks: Map<string, FirstName>;
}

interface FirstName {
  readonly node: TreeNode;
  /** Relative to the root. */
  readonly path: Buffer;
  readonly stats: BigIntStats;
  /** Takes one more name of the same inode: what goes wrong with the content is told for each. */
  readonly addName: (path: Buffer) => void;
  namesLeft: number;
}

/** One entry of a tree, and where it goes. */
export interface Entry {
  readonly node: TreeNode;
  readonly directory: TargetDirectory;
  /** Relative to the root. */
  readonly path: Buffer;
  /** For system calls. */
  readonly place: Buffer;
}

/** Makes the entries of a tree: files first, then directories one by one. The content of files comes when it is read. */
export async function restoreDirectory(run: RestoreRun, directory: TargetDirectory, tree: BlobId): Promise<void> {
  const nodes = await loadTree(run, directory, tree);
  let madeSincePause = 0;
  for (const node of nodes.filter(({ type }) => type !== 'dir')) {
    run.signal.throwIfAborted();
    if (++madeSincePause % entriesBetweenPauses === 0) await setImmediate();
    const entry = entryOf(directory, node);
    await run.report.attempt(entry.path, async () => {
      refuseUnsafe(node);
      await restoreNamed(run, entry);
    });
    await keepOpenBounded(run.open, run.blobs.makeRoom);
  }
  const directories = nodes.filter(({ type }) => type === 'dir').sort((a, b) => byBytes(a.name, b.name));
  for (const [index, node] of directories.entries()) {
    run.signal.throwIfAborted();
    if (index % treesExpected === 0) expectTrees(run, directories.slice(index, index + treesExpected));
    const entry = entryOf(directory, node);
    await run.report.attempt(entry.path, async () => {
      refuseUnsafe(node);
      await restoreSubdirectory(run, entry);
    });
    await keepOpenBounded(run.open, run.blobs.makeRoom);
  }
}

async function loadTree(run: RestoreRun, directory: TargetDirectory, tree: BlobId): Promise<readonly TreeNode[]> {
  let nodes: readonly TreeNode[] = [];
  await run.report.attempt(directory.path, async () => {
    nodes = await run.source.loadTree(tree, run.signal);
  });
  return nodes;
}

function expectTrees(run: RestoreRun, directories: readonly TreeNode[]): void {
  run.source.expectTrees(
    directories.flatMap(({ subtree }) => subtree ?? []),
    run.signal,
  );
}

function entryOf(directory: TargetDirectory, node: TreeNode): Entry {
  return { node, directory, path: joinPath(directory.path, node.name), place: directory.child(node.name) };
}

/** Checked here again although the repository refuses such trees: this is where it would do harm. */
function refuseUnsafe(node: TreeNode): void {
  if (!isSafeName(node.name)) throw new EntryProblem('UnsafeName', 'its name is not the name of an entry');
}

/** An entry that may be another name of an inode that is there already. */
async function restoreNamed(run: RestoreRun, entry: Entry): Promise<void> {
  const { node, path } = entry;
  const key = hardLinkKey(node);
  const first = key === undefined ? undefined : run.hardLinks.get(key);
  if (key !== undefined && first !== undefined && sameInode(first.node, node)) {
    if (--first.namesLeft <= 0) run.hardLinks.delete(key);
    linkTo(run, entry, first);
    return;
  }
  const made = await restoreNew(run, entry);
  const namesLeft = (node.links ?? 1) - 1;
  if (key === undefined || first !== undefined || made === undefined || namesLeft < 1) return;
  run.hardLinks.set(key, { node, path, ...made, namesLeft });
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

function linkTo(run: RestoreRun, { path, place }: Entry, first: FirstName): void {
  const isOld = run.existing === 'resume' && isThere(place);
  if (!isOld) linkSync(run.root.child(first.path), place);
  // The first name is found again by its path: if anybody put something else there, that is not what we link.
  const linked = lstatSync(place, { bigint: true });
  if (linked.ino === first.stats.ino && linked.dev === first.stats.dev) {
    first.addName(path);
    return;
  }
  if (isOld) throw new EntryProblem('EEXIST', 'something that is not the hard link is in its place');
  unlinkSync(place);
  throw new EntryProblem('Replaced', 'the file it is a hard link to was replaced during the restore');
}

/** What later names of the same inode need. */
export type Made = Pick<FirstName, 'stats' | 'addName'>;

async function restoreNew(run: RestoreRun, entry: Entry): Promise<Made | undefined> {
  const { node, place, path } = entry;
  if (node.type === 'file') return restoreFile(run, entry);
  if (run.existing === 'refuse' || !isThere(place)) makeSpecial(entry);
  else if (!isSame(entry)) throw new EntryProblem('EEXIST', `something that is not this ${node.type} is in its place`);
  run.report.problems(path, applyToPath(node, place));
  run.report.done(node);
  return { stats: lstatSync(place, { bigint: true }), addName: () => run.report.done(node) };
}

/** Makes an entry without content. */
function makeSpecial({ node, place }: Entry): void {
  switch (node.type) {
    case 'symlink':
      symlinkSync(node.linkTarget ?? Buffer.alloc(0), place);
      break;
    case 'dev':
    case 'chardev':
    case 'fifo':
    case 'socket':
      makeNode(place, node.type, node.rdev ?? 0n);
      break;
    case 'file':
    case 'dir':
    case 'irregular':
      throw new EntryProblem('UnknownType', `an entry of type ${node.type} cannot be restored here`);
    default:
      node.type satisfies never;
  }
}

function isThere(place: Buffer): boolean {
  return lstatSync(place, { throwIfNoEntry: false }) !== undefined;
}

/** True if what is there is the entry, but for its metadata. */
function isSame({ node, place }: Entry): boolean {
  const stats = lstatSync(place, { bigint: true });
  if (typeOf(stats) !== node.type) return false;
  if (node.type === 'symlink')
    return readlinkSync(place, { encoding: 'buffer' }).equals(node.linkTarget ?? Buffer.of());
  return (node.type !== 'dev' && node.type !== 'chardev') || stats.rdev === (node.rdev ?? 0n);
}

async function restoreSubdirectory(run: RestoreRun, entry: Entry): Promise<void> {
  const { node, directory: parent } = entry;
  if (parent.depth === treeDepthMax) {
    throw new EntryProblem('TooDeep', `directories are nested more than ${treeDepthMax} deep`);
  }
  if (node.subtree === undefined) throw new EntryProblem('NoTree', 'the directory has no tree');
  const directory = openTargetDirectory(run, entry);
  try {
    await restoreDirectory(run, directory, node.subtree);
  } finally {
    directory.release();
  }
}
