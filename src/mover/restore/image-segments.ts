import { corrupt } from '#repository/corrupt';
import { walkTree } from '#repository/find';
import type { BlobId, BlobSource, TreeNode } from '#repository/types';

/** A file, or a folder of files which, joined in the order of their paths, are the image. */
export type ImageSource = { readonly file: TreeNode } | { readonly tree: BlobId };

/** One file of an image. */
export interface Segment {
  readonly node: TreeNode;
  readonly path: Buffer;
  /** Where it begins in the image. */
  readonly start: number;
}

/** The files of an image in their order. Holds one directory at a time, not all of a large image. */
export async function* segmentsOf(
  source: BlobSource,
  image: ImageSource,
  signal: AbortSignal,
): AsyncGenerator<Segment> {
  if ('file' in image) {
    yield { node: image.file, path: image.file.name, start: 0 };
    return;
  }
  let start = 0;
  for await (const { node, path } of walkTree(source, image.tree, signal)) {
    if (node.type === 'dir') continue;
    if (node.type !== 'file') throw corrupt(`The image has an entry of the type ${node.type}`);
    yield { node, path, start };
    start += node.size ?? 0;
  }
}
