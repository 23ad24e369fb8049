import { mapAhead } from '#shared/async';
import { SalvorError } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import type { BlobId, BlobSource, TreeNode } from './types.ts';

/** Deeper folders than Linux's PATH_MAX of 4096 bytes allows can only be an attack, or a tree that contains itself. */
const DEPTH_MAX = 2048;

/** An entry below a root tree. */
export interface FoundNode {
  /** Path from the root, without a leading slash, as bytes. */
  readonly path: Buffer;
  readonly node: TreeNode;
}

/** A directory that is being walked. */
interface Level {
  readonly path: Buffer;
  readonly nodes: readonly TreeNode[];
  next: number;
}

/**
 * The entry at a path such as `/dir/file`; undefined if there is none, also when a parent is no directory. Links are not
 * followed. The root itself has no entry: see `listPath`.
 */
export async function findNode(
  source: BlobSource,
  root: BlobId,
  path: string | Buffer,
  signal?: AbortSignal,
): Promise<TreeNode | undefined> {
  const parts = partsOf(path);
  let tree: BlobId | undefined = root;
  let found: TreeNode | undefined;
  for (const part of parts) {
    if (tree === undefined) return undefined;
    found = (await source.loadTree(tree, signal)).find((node) => node.name.equals(part));
    tree = found?.type === 'dir' ? found.subtree : undefined;
  }
  return found;
}

/** The entries of the directory at a path, `/` for the root; throws `NotFound` if there is no such directory. */
export async function listPath(
  source: BlobSource,
  root: BlobId,
  path: string | Buffer,
  signal?: AbortSignal,
): Promise<TreeNode[]> {
  if (partsOf(path).length === 0) return source.loadTree(root, signal);
  const node = await findNode(source, root, path, signal);
  if (node?.subtree === undefined) {
    const what = node === undefined ? 'There is no' : 'It is not a directory:';
    throw new SalvorError(`${what} ${path.toString()}`, { code: 'NotFound' });
  }
  return source.loadTree(node.subtree, signal);
}

/** All entries below a tree, each directory before its content. Holds one path of directories in memory, not the whole tree. */
export async function* walkTree(source: BlobSource, root: BlobId, signal?: AbortSignal): AsyncIterable<FoundNode> {
  const levels: Level[] = [{ path: Buffer.alloc(0), nodes: await source.loadTree(root, signal), next: 0 }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const node = level.nodes[level.next++];
    if (node === undefined) {
      levels.pop();
      continue;
    }
    const path = level.path.length === 0 ? node.name : Buffer.concat([level.path, Buffer.from('/'), node.name]);
    yield { path, node };
    if (node.subtree === undefined) continue;
    if (levels.length >= DEPTH_MAX) throw corrupt(`The tree ${root} is deeper than ${DEPTH_MAX} directories`);
    levels.push({ path, nodes: await source.loadTree(node.subtree, signal), next: 0 });
  }
}

/** Blobs of a file that are read before they are asked for: enough to hide the way to a distant store. */
const blobsAhead = 8;

/** The bytes of a file, blob by blob, verified; throws `RepositoryCorrupt` if they are not as many as the node says. */
export async function* readContent(source: BlobSource, node: TreeNode, signal?: AbortSignal): AsyncIterable<Buffer> {
  if (node.type !== 'file')
    throw new SalvorError(`It is not a file: ${node.name.toString()}`, { code: 'InvalidInput' });
  let bytes = 0;
  const load = async (id: BlobId): Promise<Buffer> => source.loadBlob('data', id, signal);
  for await (const [, blob] of mapAhead(node.content ?? [], blobsAhead, load)) {
    bytes += blob.length;
    yield blob;
  }
  if (bytes !== node.size)
    throw corrupt(`The file ${node.name.toString()} has ${bytes} bytes where ${node.size} were saved`);
}

function partsOf(path: string | Buffer): Buffer[] {
  const parts: Buffer[] = [];
  const bytes = Buffer.from(path);
  for (let start = 0; start <= bytes.length;) {
    const slash = bytes.indexOf('/', start);
    const end = slash === -1 ? bytes.length : slash;
    if (end > start) parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return parts;
}
