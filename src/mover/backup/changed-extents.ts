import { open } from 'node:fs/promises';
import { z } from 'zod';
import { SalvorError } from '#shared/errors';

/** A part of an image, in bytes. */
export interface ChangedExtent {
  readonly offset: number;
  readonly length: number;
}

/** A list of every second block of an image of 16 TiB has about this size. */
const listBytesMax = 128 * 1024 * 1024;

const extents = z.array(z.strictObject({ offset: z.int().nonnegative(), length: z.int().positive() }));

/**
 * Reads a list of what may have changed since the backup before: a JSON array of `{"offset", "length"}` in bytes, in any
 * order. Throws `InvalidInput` that names the file and the entry.
 */
export async function readChangedExtents(path: string, imageBytes: number): Promise<ChangedExtent[]> {
  let value: unknown;
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > listBytesMax) throw new Error(`it has ${size} bytes, more than ${listBytesMax}`);
    value = JSON.parse(await file.readFile('utf8'));
  } catch (error) {
    throw invalid(path, 'cannot be read', error);
  }
  const parsed = extents.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(path, `is not a list of extents: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const outside = parsed.data.find(({ offset, length }) => offset + length > imageBytes);
  if (outside === undefined) return parsed.data;
  const { offset, length } = outside;
  throw invalid(path, `names ${length} bytes at ${offset}, beyond the end of the image at ${imageBytes}`);
}

/** The blocks that are touched by an extent, by their number. Pure. */
export function changedBlocks(changed: readonly ChangedExtent[], blockBytes: number): ReadonlySet<number> {
  const blocks = new Set<number>();
  for (const { offset, length } of changed) {
    const last = Math.floor((offset + length - 1) / blockBytes);
    for (let block = Math.floor(offset / blockBytes); block <= last; block++) blocks.add(block);
  }
  return blocks;
}

function invalid(path: string, what: string, cause?: unknown): SalvorError {
  return new SalvorError(`The list of changed blocks ${path} ${what}`, {
    code: 'InvalidInput',
    cause,
    hint: 'Give a JSON array of {"offset": BYTES, "length": BYTES} within the image, or none: then all is compared.',
  });
}
