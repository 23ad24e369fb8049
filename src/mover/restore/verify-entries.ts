import { closeSync, lstatSync, readlinkSync, readSync } from 'node:fs';
import type { BlobId, PackSource, TreeNode } from '#repository/types';
import { messageOf } from '#shared/errors';
import type { FileComparer } from './compare-content.ts';
import { openToRead, type FileAnswer, type NamedFile, type Inode } from './compare-job.ts';
import { compareMetadata, type Found } from './compare-metadata.ts';
import { hardLinkKey } from '../metadata.ts';
import { joinPath, printable } from '../names.ts';
import { errnoOf } from '../posix/libc.ts';
import { readXattrs } from '../posix/xattrs.ts';
import type { TargetDirectory } from './restore-directory.ts';
import { errorOf } from '../worker-pool.ts';

/** One run over a target. */
export interface Verification {
  readonly source: PackSource;
  readonly signal: AbortSignal;
  readonly comparer: FileComparer;
  /** Descriptors of directories whose entries are not all compared. */
  readonly open: Set<number>;
  /** The inode on disk of each group of hard links in the tree, and back. */
  readonly inodeOfGroup: Map<string, string>;
  readonly groupOfInode: Map<string, string>;
  readonly done: { items: number; bytes: number };
  readonly report: () => void;
  readonly differ: (path: Buffer, found: Found) => void;
}

export interface VerifiedEntry {
  readonly node: TreeNode;
  readonly directory: TargetDirectory;
  /** Relative to the root. */
  readonly path: Buffer;
  /** For system calls. */
  readonly place: Buffer;
}

export function entryOf(directory: TargetDirectory, node: TreeNode): VerifiedEntry {
  return { node, directory, path: joinPath(directory.path, node.name), place: directory.child(node.name) };
}

export function differUnreadable(run: Verification, { node, path }: VerifiedEntry, error: unknown): void {
  run.signal.throwIfAborted();
  if (errnoOf(error) === undefined) throw error;
  const found = messageOf(error).replace(/ '\/proc\/.*$/s, '');
  run.differ(path, { what: 'existence', expected: `a readable ${node.type}`, found });
}

/** Everything but files and directories. */
export function verifySpecial(run: Verification, entry: VerifiedEntry): void {
  const { node, path, place } = entry;
  try {
    const stats = lstatSync(place, { bigint: true });
    const differs = compareMetadata(node, stats, readXattrs(place).xattrs);
    for (const found of differs) run.differ(path, found);
    if (differs.some(({ what }) => what === 'type')) return;
    compareHardLinks(run, entry, stats);
    if (node.type === 'symlink') compareLinkTarget(run, entry);
  } catch (error) {
    differUnreadable(run, entry, error);
  } finally {
    run.done.items++;
    run.report();
  }
}

function compareLinkTarget(run: Verification, { node, path, place }: VerifiedEntry): void {
  const target = readlinkSync(place, { encoding: 'buffer' });
  const wanted = node.linkTarget ?? Buffer.alloc(0);
  if (target.equals(wanted)) return;
  run.differ(path, { what: 'linkTarget', expected: printable(wanted), found: printable(target) });
}

/** Leaves a file to the threads; the differences come when it is read. */
export async function verifyFile(run: Verification, entry: VerifiedEntry): Promise<void> {
  const { node, path, place, directory } = entry;
  let isCompared = true;
  let first: DifferingBlob | undefined;
  const onPart = (answer: FileAnswer, part: NamedFile): void => {
    for (const found of answer.found) run.differ(path, found);
    if (answer.inode !== undefined) compareHardLinks(run, entry, answer.inode);
    if (answer.failure !== undefined) differUnreadable(run, entry, errorOf(answer.failure));
    isCompared &&= answer.failure === undefined && answer.found.every(({ what }) => what !== 'type' && what !== 'size');
    const [index] = answer.differing;
    if (index === undefined || (first !== undefined && first.position < part.position)) return;
    const before = part.blobs.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0);
    const id = part.blobs[index]?.id;
    if (id !== undefined) first = { id, position: part.position + before };
  };
  const onEnd = async (): Promise<void> => {
    if (first !== undefined) {
      const offset = await firstDifference(run, place, first);
      run.differ(path, { what: 'content', expected: 'the bytes in the repository', found: `others from ${offset} on` });
    }
    directory.release();
    run.done.items++;
    if (isCompared) run.done.bytes += node.size ?? 0;
    run.report();
  };
  directory.hold();
  await run.comparer.compare({ node, place, onPart, onEnd });
}

/** A blob that the file does not hold where it should. */
interface DifferingBlob {
  readonly id: BlobId;
  /** In the file. */
  readonly position: number;
}

/** The first byte that differs, in a file of which a blob is known to differ. */
async function firstDifference(run: Verification, place: Buffer, { id, position }: DifferingBlob): Promise<number> {
  const blob = await run.source.loadBlob('data', id, run.signal);
  const found = Buffer.alloc(blob.length);
  const fd = openToRead(place);
  try {
    const bytes = readSync(fd, found, 0, found.length, position);
    const differing = blob.findIndex((byte, index) => index >= bytes || byte !== found[index]);
    return position + Math.max(0, differing);
  } finally {
    closeSync(fd);
  }
}

/** Names of one inode in the tree must be names of one inode on disk, and the other way round. */
function compareHardLinks(run: Verification, { node, path }: VerifiedEntry, inode: Inode): void {
  const differ = (expected: string, found: string): void => run.differ(path, { what: 'hardLinks', expected, found });
  const key = `${inode.dev}:${inode.ino}`;
  const group = hardLinkKey(node);
  if (group === undefined) {
    if (inode.nlink > 1n) differ('1 name', `${inode.nlink} names`);
    return;
  }
  const knownInode = run.inodeOfGroup.get(group) ?? key;
  const knownGroup = run.groupOfInode.get(key) ?? group;
  run.inodeOfGroup.set(group, knownInode);
  run.groupOfInode.set(key, knownGroup);
  if (knownInode !== key) differ('the same inode as its other names', 'an inode of its own');
  if (knownGroup !== group) differ('an inode of its own', 'the inode of another file');
}
