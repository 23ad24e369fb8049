import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { SalvorError } from '#shared/errors';
import { blobId } from '#repository/ids';
import type { BlobId, BlobSource, TreeNode } from '#repository/types';
import { chunkBytesMin } from './chunker.ts';
import { chunksBetweenPauses } from './read-content.ts';

/** Zeros of this length, on a multiple of it, are left as holes: the block size of common file systems. */
const blockBytes = 4096;
const zeroBlock = Buffer.alloc(blockBytes);

/** The blob of a hole in a large file, known without asking the repository. */
const zeroChunkId: BlobId = blobId(Buffer.alloc(chunkBytesMin));

/** Writes a file's content into a new, empty file, blob by blob; zeros become holes. Answers the bytes of the file. */
export async function restoreContent(
  node: TreeNode,
  handle: FileHandle,
  options: { readonly source: BlobSource; readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void },
): Promise<number> {
  const size = node.size ?? 0;
  await handle.truncate(size);
  let position = 0;
  for (const [index, id] of (node.content ?? []).entries()) {
    options.signal.throwIfAborted();
    if (index % chunksBetweenPauses === 0) await setImmediate();
    let length = chunkBytesMin;
    if (id !== zeroChunkId) {
      const blob = await options.source.loadBlob('data', id, options.signal);
      // Before it is written: a hostile tree must not fill the disk past the size it declares.
      if (position + blob.length > size) throw sizeMismatch(size);
      await writeSparse(handle, blob, position);
      ({ length } = blob);
    }
    position += length;
    options.onBytes(length);
  }
  if (position !== size) throw sizeMismatch(size);
  return size;
}

function sizeMismatch(size: number): SalvorError {
  return new SalvorError(`The content is not the ${size} bytes that the tree says`, { code: 'RepositoryCorrupt' });
}

/** Writes the runs of blocks that are not all zero. */
async function writeSparse(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let dataStart = -1;
  // Blocks are those of the file, so the first one may be short.
  let offset = 0;
  while (offset < bytes.length) {
    const length = Math.min(blockBytes - ((position + offset) % blockBytes), bytes.length - offset);
    const isZero = bytes.compare(zeroBlock, 0, length, offset, offset + length) === 0;
    if (isZero && dataStart >= 0) {
      await writeAll(handle, bytes.subarray(dataStart, offset), position + dataStart);
      dataStart = -1;
    } else if (!isZero && dataStart < 0) {
      dataStart = offset;
    }
    offset += length;
  }
  if (dataStart >= 0) await writeAll(handle, bytes.subarray(dataStart), position + dataStart);
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
