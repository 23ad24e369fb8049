import { setImmediate } from 'node:timers/promises';
import type { BlobPlace } from '#repository/blob-index';
import { mapAhead } from '#shared/async';
import { corrupt } from '#repository/corrupt';
import { plainBytes } from '#repository/pack';
import type { BlobId, PackSource } from '#repository/types';
import type { ComparedBlob } from './compare-job.ts';
import type { BlobRestorer, WantOwner } from './restore-blobs.ts';
import type { RestoreReport } from './restore-report.ts';
import type { RestoreThreads } from './restore-threads.ts';
import { errorOf, failureOf, type Failure } from '../worker-pool.ts';
import { makeZero } from './write-sparse.ts';
import { zeroBlobBytes } from './zero-blobs.ts';

/** Blobs between two looks at signals and timers. */
const blobsBetweenPauses = 4096;
/** The content is gone through in parts of this size: each is one job where it is compared with what is there. */
const partBytesMax = 8 * 1024 * 1024;
/** Parts that are compared before they are asked for: some for each thread. */
const partsAhead = 8;

/** A file or device that is open and large enough. */
export interface ContentTarget extends WantOwner {
  readonly fd: number;
  /** Where the content begins. */
  readonly start: number;
  /**
   * What is there: nothing but zeros; anything, to be written over; or a part of the content, of which only what is
   * missing is written.
   */
  readonly found: 'zeros' | 'data' | 'part';
  /** One more part to be written, for `written` or `failed` to take back. */
  hold(): void;
}

export interface ContentRun {
  readonly source: PackSource;
  readonly signal: AbortSignal;
  readonly blobs: BlobRestorer;
  readonly threads: RestoreThreads;
}

/** Bytes of the content, as the index knows its blobs. Throws `RepositoryCorrupt` if it does not know one. */
export async function contentBytes(
  run: Pick<ContentRun, 'source' | 'signal'>,
  content: readonly BlobId[],
): Promise<number> {
  let bytes = 0;
  for (const [index, id] of content.entries()) {
    if (index % blobsBetweenPauses === blobsBetweenPauses - 1) await pause(run.signal);
    bytes += zeroBlobBytes(id) ?? plainBytes(knownBlob(run.source, id));
  }
  return bytes;
}

export interface ContentTargetSetting extends Pick<ContentTarget, 'fd' | 'found' | 'start'> {
  readonly report: Pick<RestoreReport, 'underway'>;
  /** When all parts are written or failed; the first failure is told. */
  readonly onEnd: (failure: Failure | undefined) => void;
}

/** Held once, for `wantContent`. */
export function contentTarget({ fd, found, start, report, onEnd }: ContentTargetSetting): ContentTarget {
  let holders = 1;
  let underway = 0;
  let failure: Failure | undefined;
  const release = (): void => {
    holders--;
    if (holders > 0) return;
    report.underway(-underway);
    onEnd(failure);
  };
  return {
    fd,
    found,
    start,
    hold: () => {
      holders++;
    },
    written: (bytes) => {
      underway += bytes;
      report.underway(bytes);
      release();
    },
    failed: (reason) => {
      failure ??= reason;
      release();
    },
    incomplete: () => {},
  };
}

/**
 * Has the content written: what is zero becomes holes, the rest is wanted of the repository. What goes wrong is told to
 * the target.
 */
export async function wantContent(run: ContentRun, content: readonly BlobId[], target: ContentTarget): Promise<void> {
  try {
    await wantParts(run, content, target);
  } catch (error) {
    target.failed(failureOf(error));
    return;
  }
  target.written(0);
}

async function wantParts(run: ContentRun, content: readonly BlobId[], target: ContentTarget): Promise<void> {
  for await (const { blobs, position, differing } of partsOf(run, content, target)) {
    let at = position;
    for (const [index, { id, bytes }] of blobs.entries()) {
      target.hold();
      if (differing === 'unknown' || differing.has(index)) await wantBlob(run, { id, bytes, position: at }, target);
      else target.written(bytes);
      at += bytes;
    }
  }
}

/** Bytes of the content that are not what is at its place, in the order of the content. */
export async function* differingBlobs(
  run: Omit<ContentRun, 'blobs'>,
  content: readonly BlobId[],
  place: Pick<ContentTarget, 'fd' | 'start'>,
): AsyncGenerator<ComparedBlob & { readonly position: number }> {
  for await (const { blobs, position, differing } of partsOf(run, content, { ...place, found: 'part' })) {
    let at = position;
    for (const [index, blob] of blobs.entries()) {
      if (differing === 'unknown' || differing.has(index)) yield { ...blob, position: at };
      at += blob.bytes;
    }
  }
}

interface ComparedPart extends Part {
  /** Indexes of blobs that are not what is there. */
  readonly differing: ReadonlySet<number> | 'unknown';
}

async function* partsOf(
  run: Omit<ContentRun, 'blobs'>,
  content: readonly BlobId[],
  { fd, start, found }: Pick<ContentTarget, 'fd' | 'start' | 'found'>,
): AsyncGenerator<ComparedPart> {
  const compare = async (part: Part): Promise<ComparedPart['differing']> =>
    found === 'part' ? differingIn(run, part, fd) : 'unknown';
  for await (const [part, differing] of mapAhead(cutIntoParts(run.source, content, start), partsAhead, compare)) {
    await pause(run.signal);
    yield { ...part, differing };
  }
}

interface Part {
  readonly blobs: readonly ComparedBlob[];
  readonly position: number;
  readonly bytes: number;
}

function* cutIntoParts(source: PackSource, content: readonly BlobId[], start: number): Generator<Part> {
  let position = start;
  let blobs: ComparedBlob[] = [];
  let bytes = 0;
  for (const [index, id] of content.entries()) {
    const blob = { id, bytes: zeroBlobBytes(id) ?? plainBytes(knownBlob(source, id)) };
    blobs.push(blob);
    bytes += blob.bytes;
    if (bytes < partBytesMax && index < content.length - 1) continue;
    yield { blobs, position, bytes };
    position += bytes;
    blobs = [];
    bytes = 0;
  }
}

async function differingIn(
  run: Pick<ContentRun, 'threads'>,
  { blobs, position, bytes }: Part,
  fd: number,
): Promise<Set<number>> {
  const [answer] = await run.threads.compare({ kind: 'compare', files: [{ fd, position, blobs }] }, bytes);
  if (answer?.failure !== undefined) throw errorOf(answer.failure);
  return new Set(answer?.differing);
}

async function wantBlob(
  run: ContentRun,
  { id, bytes, position }: ComparedBlob & { readonly position: number },
  target: ContentTarget,
): Promise<void> {
  const { fd } = target;
  const found = target.found === 'zeros' ? 'zeros' : 'data';
  if (zeroBlobBytes(id) === undefined) {
    const blob = knownBlob(run.source, id);
    await run.blobs.want({ blob, target: { kind: 'open', fd, position, found, lock: fd }, owner: target });
    return;
  }
  if (found === 'data') makeZero(fd, position, bytes);
  target.written(bytes);
}

function knownBlob(source: PackSource, id: BlobId): BlobPlace {
  const place = source.findBlob('data', id);
  if (place === undefined) throw corrupt(`The data blob ${id} is in no index of the repository`);
  return place;
}

async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await setImmediate();
}
