import { fsync } from 'node:fs';
import { promisify } from 'node:util';
import { corrupt } from '#repository/corrupt';
import type { PackSource } from '#repository/types';
import { SalvorError } from '#shared/errors';
import { segmentsOf, type ImageSource } from './image-segments.ts';
import { openImageTarget } from './image-target.ts';
import type { Issue } from '../issues.ts';
import { startWriteBack } from '../posix/files.ts';
import { createBlobRestorer } from './restore-blobs.ts';
import { createRestoreReport } from './restore-report.ts';
import { createRestoreThreads } from './restore-threads.ts';
import { contentBytes, contentTarget, wantContent } from './want-content.ts';
import { errorOf, type Failure } from '../worker-pool.ts';
import { createWriteBehind } from './write-behind.ts';

interface Progress {
  readonly items: number;
  readonly bytes: number;
}

export interface RestoreImageOptions {
  readonly source: PackSource;
  readonly image: ImageSource;
  /** Of an image file, to be made, or of a block device. */
  readonly target: string;
  /** `resume` compares what is there and writes only what differs. A device is written over in any case. */
  readonly existing: 'refuse' | 'resume';
  readonly onProgress?: (progress: Progress) => void;
  readonly onIssue?: (issue: Issue) => void;
  /** Threads that open and write blobs. Default: one per core. */
  readonly threads?: number;
  readonly signal: AbortSignal;
}

export interface RestoreImageResult {
  /** Segments. */
  readonly items: number;
  readonly bytes: number;
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
}

/**
 * Writes an image into a new file or onto a block device, and makes it durable. Zeros become holes, or are discarded.
 * A damaged blob is an issue of its segment that says where; all others are written.
 */
export async function restoreImage(options: RestoreImageOptions): Promise<RestoreImageResult> {
  const { source, signal, existing, onProgress, onIssue } = options;
  // The size is known before anything is touched, and only then are the segments gone through again.
  let bytes = 0;
  for await (const { node } of segmentsOf(source, options.image, signal)) bytes += node.size ?? 0;
  using target = openImageTarget({ path: options.target, bytes, existing });
  await using behind = createWriteBehind(async () => startWriteBack(target.fd));
  const tell = (progress: Progress): void => {
    behind.reached(progress.bytes);
    onProgress?.(progress);
  };
  const report = createRestoreReport({ onProgress: tell, onIssue, signal });
  await using threads = createRestoreThreads({ keys: source.keys, threads: options.threads });
  await using blobs = createBlobRestorer({ source, threads, signal });
  const run = { source, signal, blobs, threads };
  const found = existing === 'resume' ? 'part' : target.found;
  for await (const segment of segmentsOf(source, options.image, signal)) {
    await report.attempt(segment.path, async () => {
      const content = segment.node.content ?? [];
      if ((await contentBytes(run, content)) !== segment.node.size) throw corrupt('The content has another size');
      const { node, path, start } = segment;
      const onEnd = (failure: Failure | undefined): void => {
        if (failure === undefined) report.done(node);
        else report.failed(path, errorOf(failure));
      };
      await wantContent(run, content, contentTarget({ fd: target.fd, found, start, report, onEnd }));
    });
  }
  await blobs.finish();
  await makeDurable(target.fd, options.target);
  return { ...report.totals, issues: report.issues.kept, issuesTotal: report.issues.count };
}

async function makeDurable(fd: number, path: string): Promise<void> {
  try {
    await promisify(fsync)(fd);
  } catch (error) {
    throw new SalvorError(`What was written to ${path} could not be made durable`, {
      code: 'RestoreFailed',
      cause: error,
      hint: 'The storage reported lost writes: restore into another one.',
    });
  }
}
