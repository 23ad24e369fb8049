import { mapLimit } from '#shared/async';
import { messageOf, SalvorError } from '#shared/errors';
import { options } from '../files.ts';
import type { Vault } from '../files.ts';
import { openBlob, packKey } from '../pack.ts';
import type { BlobEntry, PackEntry } from '../pack.ts';
import { readIndexFiles } from './index-files.ts';
import type { NeededBlobs } from './needed-blobs.ts';
import { createPackWriter } from './pack-writer.ts';
import type { PackWriter } from './pack-writer.ts';
import type { Survey } from './survey.ts';

/** Packs that are read at a time: with the two that are filled, this bounds memory to about 80 MiB. */
const READS_MAX = 3;

/** Blobs closer than this are read in one go with what lies between: a request costs more than the bytes. */
const GAP_BYTES_MAX = 256 * 1024;

export interface RepackRequest {
  readonly vault: Vault;
  readonly survey: Survey;
  /** Packs whose needed blobs are copied. */
  readonly packs: ReadonlySet<string>;
  readonly onPack?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Repacked {
  /** What was copied: in the store, and in no index yet. */
  readonly written: readonly PackEntry[];
  /** Packs that need not be kept any more, once the written ones are indexed. */
  readonly done: ReadonlySet<string>;
}

/** Copies the needed blobs out of packs, each verified, as they are sealed. */
export async function repack(request: RepackRequest): Promise<Repacked> {
  const { vault, signal } = request;
  const done = new Set<string>();
  if (request.packs.size === 0) return { written: [], done };
  const jobs = await findHomes(request);
  const writer = createPackWriter(vault, signal);
  await mapLimit(
    jobs,
    READS_MAX,
    async (pack, both) => {
      await copyBlobs(vault, pack, writer, both);
      done.add(pack.id);
      request.onPack?.(done.size, jobs.length);
    },
    signal,
  );
  return { written: await writer.finish(), done };
}

/** The packs with those blobs only that they are to keep: as `survey.ts` assigned them, in the same order. */
async function findHomes({ vault, survey, packs, signal }: RepackRequest): Promise<PackEntry[]> {
  const { needed, gone } = survey;
  const jobs: PackEntry[] = [];
  const seen = new Set<string>();
  restore(needed);
  const files = survey.indexFiles.map(({ id }) => id);
  for await (const file of readIndexFiles(vault, files, signal)) {
    for (const pack of file.live) {
      if (seen.has(pack.id) || gone.has(pack.id)) continue;
      seen.add(pack.id);
      const homes = pack.blobs.filter((blob) => needed[blob.type].take(blob.id));
      if (packs.has(pack.id)) jobs.push({ id: pack.id, blobs: homes });
    }
  }
  return jobs;
}

function restore(needed: NeededBlobs): void {
  needed.data.restore();
  needed.tree.restore();
}

async function copyBlobs(vault: Vault, pack: PackEntry, writer: PackWriter, signal: AbortSignal): Promise<void> {
  for (const range of inRanges(pack.blobs)) {
    const bytes = await vault.store.get(packKey(pack.id), { ...range, ...options(signal) });
    for (const blob of range.blobs) {
      const start = blob.offset - range.offset;
      const sealed = bytes.subarray(start, start + blob.length);
      verify(blob, sealed, pack.id, vault);
      // A copy: the rest of the range need not stay in memory with it.
      await writer.add(blob, Buffer.from(sealed));
    }
  }
}

function verify(blob: BlobEntry, sealed: Uint8Array, packId: string, vault: Vault): void {
  try {
    openBlob(sealed, blob, vault.sealer);
  } catch (error) {
    throw new SalvorError(`The pack ${packId} cannot be rewritten: ${messageOf(error)}`, {
      code: 'RepositoryCorrupt',
      hint: 'Nothing was deleted. `salvor verify --read-data` names all damage; give a snapshot up with `salvor repo forget ID`.',
      cause: error,
    });
  }
}

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly blobs: readonly BlobEntry[];
}

/** Reads as few ranges as are worth it. */
export function inRanges(blobs: readonly BlobEntry[]): Range[] {
  const ranges: { offset: number; length: number; blobs: BlobEntry[] }[] = [];
  for (const blob of blobs.toSorted((left, right) => left.offset - right.offset)) {
    const last = ranges.at(-1);
    if (last !== undefined && blob.offset - (last.offset + last.length) <= GAP_BYTES_MAX) {
      last.length = blob.offset + blob.length - last.offset;
      last.blobs.push(blob);
    } else {
      ranges.push({ offset: blob.offset, length: blob.length, blobs: [blob] });
    }
  }
  return ranges;
}
