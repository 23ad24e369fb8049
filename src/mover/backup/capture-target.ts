import { isAbort } from '#shared/errors';
import type { BlobId, SavedBlob } from '#repository/types';
import { createContentReader, type ContentReader, type ReadAt } from './read-content.ts';

/** Where a thread puts content, and what it knows of the repository. */
export interface CaptureTarget {
  readonly reader: ContentReader;
  /** Saves one blob of content. */
  readonly save: (bytes: Uint8Array) => BlobId | Promise<BlobId>;
  /** Bytes of a blob of content, if the repository has it. */
  readonly bytesOf: (id: BlobId) => number | undefined;
  /** Aborted also when the repository failed: then nothing that follows may pass for an unreadable file. */
  readonly signal: AbortSignal;
  /** Told how many bytes are done since the last call, holes included. */
  readonly onBytes: (bytes: number) => void;
  readonly readAt: ReadAt;
  /** Of all that was saved here so far. */
  readonly totals: CaptureTotals;
}

export interface CaptureTotals {
  /** Bytes of content that the repository did not have. */
  readonly newBytes: number;
  /** What they take in the store. */
  readonly storedBytes: number;
}

export interface CaptureTargetOptions extends Pick<CaptureTarget, 'bytesOf' | 'onBytes' | 'readAt' | 'signal'> {
  readonly chunkerPolynomial: bigint;
  readonly save: (bytes: Uint8Array) => SavedBlob | Promise<SavedBlob>;
}

export function createCaptureTarget(options: CaptureTargetOptions): CaptureTarget {
  const { bytesOf, onBytes, readAt } = options;
  const failed = new AbortController();
  const totals = { newBytes: 0, storedBytes: 0 };
  const count = (saved: SavedBlob, bytes: number): BlobId => {
    if (saved.isNew) totals.newBytes += bytes;
    totals.storedBytes += saved.storedBytes;
    return saved.id;
  };
  const fail = (error: unknown): never => {
    if (!isAbort(error)) failed.abort(error);
    throw error;
  };
  const save = (bytes: Uint8Array): BlobId | Promise<BlobId> => {
    try {
      const saved = options.save(bytes);
      return saved instanceof Promise
        ? saved.then((late) => count(late, bytes.length), fail)
        : count(saved, bytes.length);
    } catch (error) {
      return fail(error);
    }
  };
  return {
    reader: createContentReader(options.chunkerPolynomial, save, readAt),
    save,
    bytesOf,
    signal: AbortSignal.any([options.signal, failed.signal]),
    onBytes,
    readAt,
    totals,
  };
}
