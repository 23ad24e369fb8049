import { lstat, readlink } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { mapLimit } from '#shared/async';
import { messageOf } from '#shared/errors';
import { blobId } from '#repository/ids';
import type { BlobId, BlobSource, TreeNode } from '#repository/types';
import { compareMetadata } from './compare-metadata.ts';
import type { Difference } from './differences.ts';
import { openChild, openFile, openRoot, type OpenDirectory } from './directory.ts';
import { boundedList, reportedMax } from './issues.ts';
import { hardLinkKey, typeOf } from './metadata.ts';
import { joinPath, printable } from './names.ts';
import { errnoOf } from './posix/libc.ts';
import { readXattrs } from './posix/xattrs.ts';
import { createContentReader, type ContentReader } from './read-content.ts';

/** Files read back at the same time. */
const filesInFlight = 4;

export interface VerifyTreeOptions {
  readonly source: BlobSource;
  readonly tree: BlobId;
  readonly target: string;
  /** The captured root, to be compared with the target itself. */
  readonly node?: TreeNode;
  readonly chunkerPolynomial: bigint;
  readonly onProgress?: (progress: { readonly items: number; readonly bytes: number }) => void;
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

interface Verification {
  readonly source: BlobSource;
  readonly signal: AbortSignal;
  readonly reader: ContentReader;
  /** The inode on disk of each group of hard links in the tree, and back. */
  readonly inodeOfGroup: Map<string, string>;
  readonly groupOfInode: Map<string, string>;
  readonly done: { items: number; bytes: number };
  readonly report: (underway: number) => void;
  readonly differ: (path: Buffer, what: Difference['what'], expected: string, found: string) => void;
}

interface Place {
  readonly directory: OpenDirectory;
  readonly path: Buffer;
}

/**
 * Reads a restored tree back and compares it with the repository: every entry, its metadata and every byte. Access and
 * change times are not compared, as reading and restoring set them. Throws only if the repository cannot be read.
 */
export async function verifyTree(options: VerifyTreeOptions): Promise<VerifyTreeResult> {
  await using root = await openRoot(options.target);
  const differences = boundedList<Difference>(reportedMax);
  const done = { items: 0, bytes: 0 };
  const run: Verification = {
    source: options.source,
    signal: options.signal,
    // Cut and hashed as a backup would do it, but not stored: equal content gives equal ids.
    reader: createContentReader(options.chunkerPolynomial, async (bytes) => blobId(bytes)),
    inodeOfGroup: new Map(),
    groupOfInode: new Map(),
    done,
    report: (underway) => options.onProgress?.({ items: done.items, bytes: done.bytes + underway }),
    differ: (path, what, expected, found) => differences.add({ path: printable(path), what, expected, found }),
  };
  const place = { directory: root, path: Buffer.alloc(0) };
  await verifyDirectory(run, place, options.tree);
  if (options.node !== undefined) {
    const stats = await root.handle.stat({ bigint: true });
    compareAll(run, place.path, options.node, { stats, target: root.fd });
  }
  return { ...done, differences: differences.kept, differencesTotal: differences.count };
}

async function verifyDirectory(run: Verification, place: Place, tree: BlobId): Promise<void> {
  const nodes = await run.source.loadTree(tree, run.signal);
  const expected = new Set(nodes.map((node) => node.name.toString('latin1')));
  for (const name of await place.directory.names()) {
    if (expected.has(name.toString('latin1')) || (await isOwnLostAndFound(place, name))) continue;
    run.differ(joinPath(place.path, name), 'existence', 'nothing', 'an entry that is not in the repository');
  }
  const verifyOne = async (node: TreeNode): Promise<void> => {
    const path = joinPath(place.path, node.name);
    try {
      await verifyEntry(run, { ...place, path }, node);
    } catch (error) {
      run.signal.throwIfAborted();
      if (errnoOf(error) === undefined) throw error;
      run.differ(path, 'existence', `a readable ${node.type}`, messageOf(error).replace(/ '\/proc\/.*$/s, ''));
    }
    run.done.items++;
    run.report(0);
  };
  await mapLimit(
    nodes.filter((node) => node.type !== 'dir'),
    filesInFlight,
    verifyOne,
    run.signal,
  );
  for (const node of nodes) if (node.type === 'dir') await verifyOne(node);
}

/** What the file system of the target made itself. */
async function isOwnLostAndFound(place: Place, name: Buffer): Promise<boolean> {
  if (place.path.length > 0 || name.toString('latin1') !== 'lost+found') return false;
  await using lost = await openChild(place.directory, name);
  return (await lost.names()).length === 0;
}

async function verifyEntry(run: Verification, place: Place, node: TreeNode): Promise<void> {
  const path = place.directory.child(node.name);
  const stats = await lstat(path, { bigint: true });
  const type = typeOf(stats);
  if (type !== node.type) {
    run.differ(place.path, 'type', node.type, type);
    return;
  }
  compareHardLinks(run, place.path, node, stats);
  if (node.type === 'dir') {
    await using directory = await openChild(place.directory, node.name);
    if (node.subtree !== undefined) await verifyDirectory(run, { directory, path: place.path }, node.subtree);
    compareAll(run, place.path, node, { stats, target: directory.fd });
    return;
  }
  compareAll(run, place.path, node, { stats, target: path });
  if (node.type === 'symlink') {
    const target = await readlink(path, { encoding: 'buffer' });
    const wanted = node.linkTarget ?? Buffer.alloc(0);
    if (!target.equals(wanted)) run.differ(place.path, 'linkTarget', printable(wanted), printable(target));
  }
  if (node.type === 'file') await compareContent(run, place, node, stats);
}

function compareAll(
  run: Verification,
  path: Buffer,
  node: TreeNode,
  found: { readonly stats: BigIntStats; readonly target: number | Buffer },
): void {
  for (const one of compareMetadata(node, found.stats, readXattrs(found.target).xattrs)) {
    run.differ(path, one.what, one.expected, one.found);
  }
}

/** Names of one inode in the tree must be names of one inode on disk, and the other way round. */
function compareHardLinks(run: Verification, path: Buffer, node: TreeNode, stats: BigIntStats): void {
  if (node.type === 'dir') return;
  const inode = `${stats.dev}:${stats.ino}`;
  const group = hardLinkKey(node);
  if (group === undefined) {
    if (stats.nlink > 1n) run.differ(path, 'hardLinks', '1 name', `${stats.nlink} names`);
    return;
  }
  const knownInode = run.inodeOfGroup.get(group) ?? inode;
  const knownGroup = run.groupOfInode.get(inode) ?? group;
  run.inodeOfGroup.set(group, knownInode);
  run.groupOfInode.set(inode, knownGroup);
  if (knownInode !== inode) run.differ(path, 'hardLinks', 'the same inode as its other names', 'an inode of its own');
  if (knownGroup !== group) run.differ(path, 'hardLinks', 'an inode of its own', 'the inode of another file');
}

async function compareContent(run: Verification, place: Place, node: TreeNode, stats: BigIntStats): Promise<void> {
  const size = node.size ?? 0;
  if (stats.size !== BigInt(size)) {
    run.differ(place.path, 'size', `${size} bytes`, `${stats.size} bytes`);
    return;
  }
  let underway = 0;
  const onBytes = (bytes: number): void => {
    underway += bytes;
    run.report(underway);
  };
  await using file = await openFile(place.directory.child(node.name));
  const wanted = node.content ?? [];
  const { content } = await run.reader.read(file, size, { signal: run.signal, onBytes });
  const equal = content.length === wanted.length && content.every((id, index) => id === wanted[index]);
  run.done.bytes += size;
  if (equal) return;
  // Other ids do not mean other bytes: another program may have cut the same bytes elsewhere.
  const offset = await firstDifference(run, wanted, (buffer, position) =>
    file.read(buffer, 0, buffer.length, position).then(({ bytesRead }) => bytesRead),
  );
  if (offset !== undefined)
    run.differ(place.path, 'content', 'the bytes in the repository', `others from ${offset} on`);
}

/** Compares byte by byte with the blobs. Answers where the file begins to differ, or undefined. */
async function firstDifference(
  run: Verification,
  content: readonly BlobId[],
  read: (buffer: Buffer, position: number) => Promise<number>,
): Promise<number | undefined> {
  let position = 0;
  for (const id of content) {
    run.signal.throwIfAborted();
    const blob = await run.source.loadBlob('data', id, run.signal);
    const found = Buffer.alloc(blob.length);
    for (let filled = 0; filled < blob.length;) {
      const bytes = await read(found.subarray(filled), position + filled);
      if (bytes === 0) return position + filled;
      filled += bytes;
    }
    if (!found.equals(blob)) return position + blob.findIndex((byte, index) => byte !== found[index]);
    position += blob.length;
  }
  return undefined;
}
