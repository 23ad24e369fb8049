import { blobId } from '#repository/ids';
import type { BlobId } from '#repository/types';
import type { CaptureTarget, CaptureTotals } from './capture-target.ts';
import { nextData, readAhead } from '../posix/files.ts';

/** Some blocks of an open image, to be captured by one thread. */
export interface BlocksJob {
  readonly kind: 'blocks';
  readonly descriptor: number;
  readonly blockBytes: number;
  /** Of the first block. */
  readonly start: number;
  /** To the end of the last block, which may be shorter than the others. */
  readonly bytes: number;
}

/** `content` ends early if the image does. */
export interface CapturedBlocks extends CaptureTotals {
  readonly content: readonly BlobId[];
}

/** Captures blocks one by one. What only holes and zeros say is neither read nor hashed again. */
export function createBlocksWork(target: CaptureTarget): (job: BlocksJob) => Promise<CapturedBlocks> {
  const memory = new Map<number, BlockMemory>();
  return async (job) => {
    const { blockBytes } = job;
    const own = memory.get(blockBytes) ?? newMemory(blockBytes);
    memory.set(blockBytes, own);
    const { newBytes, storedBytes } = target.totals;
    const content: BlobId[] = [];
    readAhead(job.descriptor, job.start, job.bytes);
    const end = job.start + job.bytes;
    let dataFrom = nextData(job.descriptor, job.start);
    for (let at = job.start; at < end; at += blockBytes) {
      target.signal.throwIfAborted();
      const length = Math.min(blockBytes, end - at);
      if (dataFrom < at) dataFrom = nextData(job.descriptor, at);
      const isHole = dataFrom >= at + length;
      const id = isHole ? await saveZeros(target, own, length) : await saveBlock(target, own, { ...job, at, length });
      if (id === undefined) break;
      content.push(id);
      target.onBytes(length);
    }
    return {
      content,
      newBytes: target.totals.newBytes - newBytes,
      storedBytes: target.totals.storedBytes - storedBytes,
    };
  };
}

interface BlockMemory {
  readonly buffer: Buffer;
  readonly zeros: Buffer;
  readonly zeroId: BlobId;
  isZeroSaved: boolean;
}

function newMemory(blockBytes: number): BlockMemory {
  const zeros = Buffer.alloc(blockBytes);
  return { buffer: Buffer.allocUnsafeSlow(blockBytes), zeros, zeroId: blobId(zeros), isZeroSaved: false };
}

async function saveZeros(target: CaptureTarget, memory: BlockMemory, length: number): Promise<BlobId> {
  if (length < memory.zeros.length) return target.save(memory.zeros.subarray(0, length));
  if (!memory.isZeroSaved) await target.save(memory.zeros);
  memory.isZeroSaved = true;
  return memory.zeroId;
}

interface Block extends BlocksJob {
  readonly at: number;
  readonly length: number;
}

/** Undefined if the image ends within the block. */
async function saveBlock(target: CaptureTarget, memory: BlockMemory, block: Block): Promise<BlobId | undefined> {
  const bytes = memory.buffer.subarray(0, block.length);
  for (let filled = 0; filled < bytes.length;) {
    const read = await target.readAt(block.descriptor, bytes.subarray(filled), block.at + filled);
    if (read === 0) return undefined;
    filled += read;
  }
  if (bytes.equals(memory.zeros.subarray(0, bytes.length))) return saveZeros(target, memory, bytes.length);
  return target.save(bytes);
}
