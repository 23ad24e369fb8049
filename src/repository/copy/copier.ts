import type { BlobPlace } from '../blob-index.ts';
import { createBlobReader } from '../blob-reader.ts';
import { createIdSet } from '../care/id-set.ts';
import { noBlobs } from '../care/needed-blobs.ts';
import type { Catalog } from '../catalog.ts';
import type { Vault } from '../files.ts';
import type { BlobEntry } from '../pack.ts';
import type { BlobId, BlobType } from '../types.ts';
import type { Target } from './target.ts';
import { rangesOf, transferRanges } from './transfer.ts';
import { walkTrees } from './walk-trees.ts';

/** Places that are collected before they are read: 35 MB. The more, the fewer reads for what lies in one pack. */
const BATCH_BLOBS_MAX = 100_000;

/** Fewer are kept together with those of the next tree: packs shall be full. */
const BATCH_BLOBS_MIN = 5_000;

/** At most 512 MiB are read between two looks at the clock. */
const RANGES_PER_STEP = 64;

/** Brings to the target what a tree needs and the target does not have. */
export interface Copier {
  /** Looks through a tree; transfers already when there is much. */
  collect(root: BlobId): Promise<void>;
  /** So much is collected that it is worth a transfer. */
  readonly isFull: boolean;
  /** Stores and lists everything that was collected. */
  transfer(): Promise<void>;
  /** After a transfer: what of the tree the target does not have, in words; undefined if it is all there. */
  findMissing(root: BlobId): Promise<string | undefined>;
  readonly blobs: number;
  readonly bytes: number;
}

export interface CopierDeps {
  readonly from: Vault;
  readonly to: Vault;
  readonly sourceCatalog: Catalog;
  readonly targetCatalog: Catalog;
  readonly target: Target;
  readonly onBytes: () => void;
  readonly signal: AbortSignal;
}

export function createCopier(deps: CopierDeps): Copier {
  const { from, to, sourceCatalog, targetCatalog, target, signal } = deps;
  const source = createBlobReader(from, sourceCatalog);
  const seen = createIdSet();
  let wanted = noBlobs();
  let places: BlobPlace[] = [];
  let [blobs, bytes] = [0, 0];
  /** Something could not be had: from now on snapshots are looked at once more before they are written. */
  let isBroken = false;

  const want = (type: BlobType, id: BlobId): void => {
    if (targetCatalog.has(type, id) || !wanted[type].add(id)) return;
    const place = sourceCatalog.find(type, id);
    if (place === undefined) isBroken = true;
    else places.push(place);
  };

  const onBlob = ({ length }: BlobEntry): void => {
    blobs++;
    bytes += length;
  };

  const transfer = async (): Promise<void> => {
    const ranges = rangesOf(places);
    const onDamage = (): void => void (isBroken = true);
    for (let first = 0; first < ranges.length; first += RANGES_PER_STEP) {
      const step = ranges.slice(first, first + RANGES_PER_STEP);
      await transferRanges(step, { from, to, source, writer: target, onBlob, onDamage, signal });
      await target.flushIfOld();
      deps.onBytes();
    }
    await target.flush();
    places = [];
    wanted = noBlobs();
  };

  return {
    async collect(root) {
      for await (const tree of walkTrees(source, { root, seen, signal })) {
        if ('damage' in tree) {
          isBroken = true;
          continue;
        }
        want('tree', tree.id);
        for (const { content = [] } of tree.nodes) for (const id of content) want('data', id);
        if (places.length >= BATCH_BLOBS_MAX) await transfer();
      }
    },
    get isFull() {
      return places.length >= BATCH_BLOBS_MIN;
    },
    transfer,
    async findMissing(root) {
      if (!isBroken) return undefined;
      for await (const tree of walkTrees(source, { root, seen: createIdSet(), signal })) {
        if ('damage' in tree) return tree.damage.message;
        if (!targetCatalog.has('tree', tree.id)) return `The tree ${tree.id} cannot be read`;
        for (const node of tree.nodes) {
          const lost = node.content?.find((id) => !targetCatalog.has('data', id));
          if (lost === undefined) continue;
          return `The file ${JSON.stringify(node.name.toString())} needs the blob ${lost}, which is damaged or lost`;
        }
      }
      return undefined;
    },
    get blobs() {
      return blobs;
    },
    get bytes() {
      return bytes;
    },
  };
}
