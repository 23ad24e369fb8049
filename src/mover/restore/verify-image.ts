import { closeSync, constants, openSync } from 'node:fs';
import type { PackSource } from '#repository/types';
import type { Difference } from './differences.ts';
import { segmentsOf, type ImageSource } from './image-segments.ts';
import { boundedList, reportedMax } from '../issues.ts';
import { printable } from '../names.ts';
import { createRestoreThreads } from './restore-threads.ts';
import type { VerifyTreeResult } from './verify-tree.ts';
import { differingBlobs } from './want-content.ts';

export interface VerifyImageOptions {
  readonly source: PackSource;
  readonly image: ImageSource;
  /** Of the image file or device. */
  readonly target: string;
  readonly onProgress?: (progress: { readonly items: number; readonly bytes: number }) => void;
  readonly threads?: number;
  readonly signal: AbortSignal;
}

/** Reads a restored image back and compares it with the repository, blob by blob. */
export async function verifyImage(options: VerifyImageOptions): Promise<VerifyTreeResult> {
  const { source, image, signal } = options;
  const fd = openSync(options.target, constants.O_RDONLY);
  using _opened = { [Symbol.dispose]: () => closeSync(fd) };
  await using threads = createRestoreThreads({ keys: source.keys, threads: options.threads });
  const differences = boundedList<Difference>(reportedMax);
  const done = { items: 0, bytes: 0 };
  for await (const { node, path, start } of segmentsOf(source, image, signal)) {
    for await (const { position, bytes } of differingBlobs({ source, signal, threads }, node.content ?? [], {
      fd,
      start,
    })) {
      const expected = 'the bytes in the repository';
      const found = `others in the ${bytes} bytes from ${position - start} on`;
      differences.add({ path: printable(path), what: 'content', expected, found });
    }
    done.items++;
    done.bytes += node.size ?? 0;
    options.onProgress?.({ ...done });
  }
  return { ...done, differences: differences.kept, differencesTotal: differences.count };
}
