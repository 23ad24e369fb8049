import { isDamage } from '#repository/blob-reader';
import type { BlobPlace } from '#repository/blob-index';
import { plainBytes } from '#repository/pack';
import { packRanges, type PackRange } from '#repository/pack-ranges';
import type { BlobId, PackSource } from '#repository/types';
import { createByteGate, type ByteGate } from './byte-gate.ts';
import type { JobBlob, Target, TargetProblem } from './write-job.ts';
import type { RestoreThreads } from './restore-threads.ts';
import { failureOf, type Failure } from '../worker-pool.ts';
import { createWorkSet, type WorkSet } from './work-set.ts';

/** One blob at one place. */
export interface Want {
  readonly blob: BlobPlace;
  readonly target: Target;
  readonly owner: WantOwner;
}

/** Who is told, once per want: `written` or `failed`. What is thrown here ends the run. */
export interface WantOwner {
  written(bytes: number): void;
  failed(failure: Failure): void;
  /** The content is there, a step of its metadata is not. */
  incomplete(failure: Failure, step: string): void;
}

/** Writes wanted blobs to their places: out of order, each part of a pack read once, opened by several threads. */
export interface BlobRestorer extends AsyncDisposable {
  /** Resolves late when reading and writing are behind. */
  want(want: Want): Promise<void>;
  /** Begins with what is wanted so far, and waits until some of it is done. */
  readonly makeRoom: () => Promise<void>;
  /** Resolves when all that is wanted is told; throws what ended the run. */
  finish(): Promise<void>;
}

/** Wants that are sorted together: about 4 MiB of memory, and enough to find what lies side by side. */
const wantsPerBatch = 4096;
/** A batch also ends here, so that reading begins early. */
const batchBytesMax = 64 * 1024 * 1024;
/** Ranges in memory, read or being read: enough for eight calls to a distant store. */
const bytesInFlightMax = 16 * 1024 * 1024;
/** A range is one call and one job: large enough to be worth both, small enough that all threads have some. */
const bounds = { gapBytesMax: 128 * 1024, rangeBytesMax: 4 * 1024 * 1024 };

export interface BlobRestorerOptions {
  readonly source: PackSource;
  readonly threads: RestoreThreads;
  readonly signal: AbortSignal;
}

/** All places of one blob in a batch. */
interface WantedBlob extends BlobPlace {
  readonly wants: Want[];
}

interface Damaged {
  readonly blob: WantedBlob;
  readonly failure: Failure;
}

export function createBlobRestorer(options: BlobRestorerOptions): BlobRestorer {
  const work = createWorkSet(options.signal);
  const gate = createByteGate(bytesInFlightMax);
  let batch = new Map<BlobId, WantedBlob>();
  let wants = 0;
  let bytes = 0;
  let starting = Promise.resolve();

  /** One batch begins while the next one is collected. */
  const startBatch = async (): Promise<void> => {
    await starting;
    work.signal.throwIfAborted();
    const blobs = batch;
    batch = new Map();
    wants = 0;
    bytes = 0;
    if (blobs.size === 0) return;
    starting = runBatch({ ...options, signal: work.signal }, { blobs, gate, work });
    work.add(starting);
  };

  return {
    want: async (want) => {
      const known = batch.get(want.blob.id);
      if (known === undefined) {
        batch.set(want.blob.id, { ...want.blob, wants: [want] });
        bytes += want.blob.length;
      } else {
        known.wants.push(want);
      }
      if (++wants >= wantsPerBatch || bytes >= batchBytesMax) await startBatch();
    },
    makeRoom: async () => {
      await startBatch();
      await work.progress();
    },
    finish: async () => {
      await startBatch();
      await work.finish();
    },
    [Symbol.asyncDispose]: async () => work[Symbol.asyncDispose](),
  };
}

interface Batch {
  readonly blobs: ReadonlyMap<BlobId, WantedBlob>;
  readonly gate: ByteGate;
  readonly work: WorkSet;
}

/** Resolves when all its ranges have begun. */
async function runBatch(run: BlobRestorerOptions, { blobs, gate, work }: Batch): Promise<void> {
  const damaged: Damaged[] = [];
  const ranges: Promise<void>[] = [];
  for (const range of packRanges(blobs.values(), bounds)) {
    await gate.enter(range.length, run.signal);
    const written = writeRange(run, range)
      .then((found) => void damaged.push(...found))
      .finally(() => gate.leave(range.length));
    ranges.push(written);
    work.add(written);
  }
  work.add(Promise.all(ranges).then(async () => writeCopies(run, damaged)));
}

/** Reads a part of a pack once and writes its blobs. Answers those that are damaged. */
async function writeRange(run: BlobRestorerOptions, range: PackRange<WantedBlob>): Promise<Damaged[]> {
  let sealed: Buffer;
  try {
    sealed = await run.source.readPack(range.packId, range, run.signal);
  } catch (error) {
    if (!isDamage(error)) throw error;
    if (range.wanted.length > 1) return writeOneByOne(run, range.wanted);
    return range.wanted.map((blob) => ({ blob, failure: failureOf(error) }));
  }
  run.signal.throwIfAborted();
  const blobs = range.wanted.map((blob): JobBlob => {
    const { type, id, length, uncompressedLength } = blob;
    const targets = blob.wants.map(({ target }) => target);
    return { type, id, length, uncompressedLength, offset: blob.offset - range.offset, targets };
  });
  const answer = await run.threads.write({ kind: 'write', sealed, blobs });
  const damaged = new Map(answer.damaged.map(({ blob, failure }) => [range.wanted[blob], failure]));
  for (const [index, blob] of range.wanted.entries()) {
    if (!damaged.has(blob))
      tell(
        blob,
        answer.problems.filter((problem) => problem.blob === index),
      );
  }
  return range.wanted.flatMap((blob) => {
    const failure = damaged.get(blob);
    return failure === undefined ? [] : [{ blob, failure }];
  });
}

/** What is damaged is read from another pack, if it is in one. */
async function writeCopies(run: BlobRestorerOptions, damaged: readonly Damaged[]): Promise<void> {
  if (damaged.length === 0) return;
  const places = damaged.map(({ blob }) => blob);
  const copies = await run.source.findCopies('data', places, run.signal);
  for (const { blob, failure } of damaged) {
    let isWritten = false;
    for (const copy of copies.get(blob.id) ?? []) {
      if (isWritten) break;
      isWritten = (await writeOneByOne(run, [{ ...copy, wants: blob.wants }])).length === 0;
    }
    if (!isWritten) for (const { owner } of blob.wants) owner.failed(failure);
  }
}

/** In a pack that was cut short some blobs are whole. */
async function writeOneByOne(run: BlobRestorerOptions, blobs: readonly WantedBlob[]): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const blob of blobs) {
    const { packId, offset, length } = blob;
    damaged.push(...(await writeRange(run, { packId, offset, length, wanted: [blob] })));
  }
  return damaged;
}

function tell(blob: WantedBlob, problems: readonly TargetProblem[]): void {
  for (const [index, { owner }] of blob.wants.entries()) {
    const own = problems.filter(({ target }) => target === index);
    for (const { failure, step } of own) if (step !== undefined) owner.incomplete(failure, step);
    const failed = own.find(({ step }) => step === undefined);
    if (failed === undefined) owner.written(plainBytes(blob));
    else owner.failed(failed.failure);
  }
}
