import { mapLimit } from '#shared/async';
import { saveFile } from '#repository/files';
import { encodeIndex } from '#repository/index-file';
import { INDEX_BLOBS_MAX } from '#repository/limits';
import type { BlobEntry, PackEntry } from '#repository/pack';
import { unlock } from '#repository/repository';
import type { BlobId } from '#repository/types';
import type { Store } from '#stores/store';
import { createRandom } from '../mover/data/random.ts';
import { repositoryPassword } from '../mover/contestants/contestant.ts';

/** A pack of 16 MiB with blobs of half a MiB, as files of usual sizes give. */
const blobsPerPack = 32;
const blobBytes = 512 * 1024;
const filesAtATime = 2;
const idBytes = 32;

export interface Simulation {
  /** Numbers of the first index file and of the one after the last; each has 50,000 blobs. */
  readonly from: number;
  readonly to: number;
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

/** Writes index files of packs that are not there: whoever reads an index cannot tell. The same numbers give the same ids. */
export async function simulateIndexFiles(store: Store, simulation: Simulation): Promise<void> {
  const { from, to, progress, signal } = simulation;
  const { sealer, config } = await unlock(store, { password: repositoryPassword, signal });
  const vault = { store, sealer, version: config.version };
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  let done = 0;
  const write = async (number: number, both: AbortSignal): Promise<void> => {
    await saveFile(vault, 'index', encodeIndex(simulatedPacks(number)), both);
    progress(++done);
  };
  await mapLimit(numbers, filesAtATime, write, signal);
}

/** The packs of one index file. */
export function simulatedPacks(file: number): PackEntry[] {
  const ids = Buffer.alloc((INDEX_BLOBS_MAX + Math.ceil(INDEX_BLOBS_MAX / blobsPerPack)) * idBytes);
  createRandom(`index file ${file}`).fill(ids);
  let next = 0;
  const id = (): string => ids.toString('hex', next, (next += idBytes));
  const packs: PackEntry[] = [];
  for (let first = 0; first < INDEX_BLOBS_MAX; first += blobsPerPack) {
    const blobs = Array.from({ length: Math.min(blobsPerPack, INDEX_BLOBS_MAX - first) }, (_, place): BlobEntry => {
      const [offset, length] = [place * blobBytes, blobBytes - ((first + place) % 5000)];
      return { type: 'data', id: id() as BlobId, offset, length, uncompressedLength: length + blobBytes };
    });
    packs.push({ id: id(), blobs });
  }
  return packs;
}
