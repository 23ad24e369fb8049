import { open, type FileHandle } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import { isAbort, SalvorError } from '#shared/errors';
import { plainBytes } from '#repository/pack';
import type { BlobId, BlobSink, PackSource, TreeNode } from '#repository/types';
import type { BackupProgress } from './backup-tree.ts';
import type { BackupCrew } from './backup-crew.ts';
import { changedBlocks, type ChangedExtent } from './changed-extents.ts';
import { imageLayout, imageSegments, type ImageLayout, type ImageSegment } from './image-layout.ts';
import { issueOf, type Issue } from '../issues.ts';
import { deviceBytes } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';
import { createTally, type TallyResult } from './tally.ts';

export interface BackupImageOptions {
  /** An image file or a block device, which nobody writes to meanwhile: a snapshot, or a volume that is not in use. */
  readonly path: string;
  readonly sink: BlobSink;
  readonly crew: Pick<BackupCrew, 'run' | 'onBytes'>;
  /** The image in the backup before. */
  readonly parent?: { readonly source: PackSource; readonly tree: BlobId };
  /** All that may differ from the parent, for an image of that size: the rest is not read. Without it, all is compared. */
  readonly changed?: (imageBytes: number) => Promise<readonly ChangedExtent[]>;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onIssue?: (issue: Issue) => void;
  readonly signal: AbortSignal;
}

export interface BackupImageResult extends TallyResult {
  readonly tree: BlobId;
  /** A directory with `tree` as subtree and an empty name, for the caller to choose. */
  readonly node: TreeNode;
}

/** Blocks of one job: some tens of milliseconds of work. */
const jobBlocks = 32;
/** Jobs of one segment that wait for threads. */
const jobsInFlight = 16;
/** Segments whose lists are in memory at a time. */
const segmentsInFlight = 2;

/** Reads a volume as an image into the repository, in the layout of `image-layout.ts`. */
export async function backupImage(options: BackupImageOptions): Promise<BackupImageResult> {
  const { crew, signal, path, sink } = options;
  await using image = await openImage(path);
  const before = await image.stat({ bigint: true });
  const bytes = before.isBlockDevice() ? deviceBytes(image.fd) : Number(before.size);
  const layout = imageLayout(bytes);
  const changed = await options.changed?.(bytes);
  const tally = createTally(options);
  crew.onBytes((read) => tally.onBytes(read));
  const segments = [...imageSegments(bytes)];
  tally.plan({ items: segments.length, bytes });
  const run: Run = {
    options,
    layout,
    descriptor: image.fd,
    tally,
    changed: changed === undefined ? undefined : changedBlocks(changed, layout.blockBytes),
    parents: await parentFiles(options),
  };
  const nodes = await mapLimit(segments, segmentsInFlight, async (segment) => captureSegment(run, segment), signal);
  const after = await image.stat({ bigint: true });
  if (after.mtimeNs !== before.mtimeNs || after.size !== before.size) {
    const message = 'it was written to while it was read; read a snapshot instead';
    tally.onIssue({ path, code: 'ChangedWhileRead', message });
  }
  const tree = tally.onTree(
    await sink.saveTree(
      nodes.flatMap((node) => node ?? []),
      signal,
    ),
  );
  return { tree, node: { ...folder('', tree), name: Buffer.alloc(0) }, ...tally.result() };
}

interface Run {
  readonly options: BackupImageOptions;
  readonly layout: ImageLayout;
  readonly descriptor: number;
  readonly tally: ReturnType<typeof createTally>;
  /** By number in the image; undefined: any may be. */
  readonly changed: ReadonlySet<number> | undefined;
  /** The parent's entries by name: files, or folders of one file. */
  readonly parents: ReadonlyMap<string, TreeNode>;
}

async function openImage(path: string): Promise<FileHandle> {
  try {
    const image = await open(path, 'r');
    const stats = await image.stat();
    if (stats.isFile() || stats.isBlockDevice()) return image;
    await image.close();
  } catch (error) {
    throw new SalvorError(`Cannot read ${path}`, {
      code: 'SourceUnreadable',
      cause: error,
      hint: 'Check that the image or device is there and that the mover may read it.',
    });
  }
  throw new SalvorError(`${path} is neither a file nor a block device`, {
    code: 'SourceUnreadable',
    hint: 'Give the path of an image or of a device, or back it up as a file tree.',
  });
}

async function parentFiles({ parent, signal }: BackupImageOptions): Promise<ReadonlyMap<string, TreeNode>> {
  if (parent === undefined) return new Map();
  try {
    const nodes = await parent.source.loadTree(parent.tree, signal);
    return new Map(nodes.map((node) => [node.name.toString(), node]));
  } catch {
    // The backup before only saves work: without it, everything is read.
    signal.throwIfAborted();
    return new Map();
  }
}

/** Undefined for a segment that could not be read; its issue is told. */
async function captureSegment(run: Run, segment: ImageSegment): Promise<TreeNode | undefined> {
  const { options, layout, tally } = run;
  const { sink, signal } = options;
  try {
    const content = await segmentContent(run, segment);
    const whole = Math.ceil(segment.bytes / layout.blockBytes);
    if (content.length < whole) {
      const message = `it ended after ${segment.start + content.length * layout.blockBytes} bytes`;
      tally.onIssue({ path: options.path, code: 'ChangedWhileRead', message });
      return undefined;
    }
    const file = { ...entry(segment.name, 'file'), size: segment.bytes, content };
    const saved = layout.isDivided ? tally.onTree(await sink.saveTree([file], signal)) : undefined;
    tally.onCaptured(segment.bytes);
    return saved === undefined ? file : folder(segment.name, saved);
  } catch (error) {
    signal.throwIfAborted();
    const code = errnoOf(error);
    if (isAbort(error) || code === undefined) throw error;
    tally.onIssue(issueOf(Buffer.from(options.path), code, error));
    return undefined;
  }
}

/** The blobs of a segment: those of the parent where nothing changed, and what the threads read for the others. */
async function segmentContent(run: Run, segment: ImageSegment): Promise<BlobId[]> {
  const { blockBytes } = run.layout;
  const content = await unchangedBlocks(run, segment);
  const jobs = [...runsToRead(content, segment.bytes / blockBytes)];
  let end = content.length;
  await mapLimit(
    jobs,
    jobsInFlight,
    async ({ first, count }) => {
      const start = first * blockBytes;
      const bytes = Math.min(count * blockBytes, segment.bytes - start);
      const job = {
        kind: 'blocks',
        descriptor: run.descriptor,
        blockBytes,
        start: segment.start + start,
        bytes,
      } as const;
      const answer = await run.options.crew.run(job);
      run.tally.onSaved(answer);
      for (const [index, id] of answer.content.entries()) content[first + index] = id;
      if (answer.content.length < count) end = Math.min(end, first + answer.content.length);
    },
    run.options.signal,
  );
  return content.slice(0, end) as BlobId[];
}

/** One place for each block of the segment; undefined for what must be read. */
async function unchangedBlocks(run: Run, { name, start, bytes }: ImageSegment): Promise<(BlobId | undefined)[]> {
  const { changed, options, layout } = run;
  const { blockBytes } = layout;
  const content = Array.from<BlobId | undefined>({ length: Math.ceil(bytes / blockBytes) });
  const before = changed === undefined ? undefined : await parentContent(run, name);
  if (before === undefined || changed === undefined) return content;
  return content.map((_, index) => {
    const id = before[index];
    const source = options.parent?.source;
    // What a prune is about to delete is still found, and must not be relied on.
    const place = id !== undefined && source?.hasBlob('data', id) === true ? source.findBlob('data', id) : undefined;
    const isKept =
      place !== undefined &&
      !changed.has(start / blockBytes + index) &&
      plainBytes(place) === Math.min(blockBytes, bytes - index * blockBytes);
    return isKept ? id : undefined;
  });
}

async function parentContent(run: Run, name: string): Promise<readonly BlobId[] | undefined> {
  const { parent, signal } = run.options;
  const node = run.parents.get(name);
  if (node?.subtree === undefined) return node?.content;
  try {
    return (await parent?.source.loadTree(node.subtree, signal))?.[0]?.content;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

interface BlockRun {
  readonly first: number;
  readonly count: number;
}

/** Neighbouring blocks that must be read, cut into jobs. */
function* runsToRead(content: readonly (BlobId | undefined)[], blocks: number): Generator<BlockRun> {
  for (let first = 0; first < blocks;) {
    if (content[first] !== undefined) {
      first++;
      continue;
    }
    let count = 1;
    while (count < jobBlocks && first + count < blocks && content[first + count] === undefined) count++;
    yield { first, count };
    first += count;
  }
}

/** The same metadata in every backup: a part of an image has none of its own, and lists that are equal are stored once. */
function entry(name: string, type: 'file' | 'dir'): TreeNode {
  const mode = type === 'file' ? 0o600 : 0o700;
  const times = { mtimeNs: 0n, atimeNs: 0n, ctimeNs: 0n };
  return { name: Buffer.from(name), type, mode, ...times, uid: 0, gid: 0, inode: 0n, deviceId: 0n };
}

function folder(name: string, subtree: BlobId): TreeNode {
  return { ...entry(name, 'dir'), subtree };
}
