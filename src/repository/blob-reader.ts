import { mapLimit } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { BlobPlace } from './blob-index.ts';
import type { Catalog } from './catalog.ts';
import { corrupt } from './corrupt.ts';
import { listFiles, loadFile, options } from './files.ts';
import type { Vault } from './files.ts';
import { decodeIndex } from './index-file.ts';
import { openBlob, packKey } from './pack.ts';
import { decodeTree } from './tree.ts';
import { createTreesAhead } from './trees-ahead.ts';
import type { BlobId, BlobType, ByteRange, PackSource } from './types.ts';

/** Index files read at a time while copies of damaged blobs are looked for. */
const indexReadsMax = 4;

/** How often all index files are searched for copies, by one reader: a repository with more damage needs a repair. */
const searchesMax = 16;

/** Reads blobs out of their packs, and parts of packs as they are. */
export function createBlobReader(vault: Vault, catalog: Pick<Catalog, 'find' | 'has'>): PackSource {
  const readPack = async (packId: string, range: ByteRange, signal?: AbortSignal): Promise<Buffer> => {
    const wanted = { offset: range.offset, length: range.length, ...options(signal) };
    return vault.store.get(packKey(packId), wanted).catch((error: unknown) => {
      if (!(error instanceof SalvorError && error.code === 'StoreObjectMissing')) throw error;
      throw corrupt(`The pack ${packId} is missing`, error);
    });
  };
  const treesAhead = createTreesAhead(readPack);
  let searches = 0;

  const findCopies: PackSource['findCopies'] = async (type, damaged, signal) => {
    if (damaged.length === 0 || searches++ >= searchesMax) return new Map();
    return searchIndexes(vault, { type, damaged, signal });
  };

  const loadFrom = async (place: BlobPlace, signal: AbortSignal | undefined): Promise<Buffer> => {
    const sealed = (await treesAhead.take(place)) ?? (await readPack(place.packId, place, signal));
    return openBlob(sealed, place, vault.sealer);
  };

  const loadBlob = async (type: BlobType, id: BlobId, signal?: AbortSignal): Promise<Buffer> => {
    const place = catalog.find(type, id);
    if (place === undefined) throw corrupt(`The ${type} blob ${id} is in no index of ${vault.store.location}`);
    try {
      return await loadFrom(place, signal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const copies = (await findCopies(type, [place], signal)).get(id) ?? [];
      for (const copy of copies) {
        const plain = await loadFrom(copy, signal).catch(passOverDamage);
        if (plain !== undefined) return plain;
      }
      throw error;
    }
  };

  return {
    hasBlob: (type, id) => catalog.has(type, id),
    findBlob: (type, id) => catalog.find(type, id),
    findCopies,
    readPack,
    keys: vault.sealer.keys,
    expectTrees: (ids, signal) => {
      const places = ids.flatMap((id) => catalog.find('tree', id) ?? []);
      treesAhead.expect(places, signal);
    },
    loadBlob,
    loadTree: async (id, signal) => decodeTree(await loadBlob('tree', id, signal), id),
  };
}

/** True if the store was reached, but what it holds is not what was written: another copy may be whole. */
export function isDamage(error: unknown): error is SalvorError {
  if (!(error instanceof SalvorError)) return false;
  return error.code === 'RepositoryCorrupt' || error.code === 'StoreCorrupt' || error.code === 'StoreObjectMissing';
}

function passOverDamage(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}

interface Search {
  readonly type: BlobType;
  readonly damaged: readonly BlobPlace[];
  readonly signal: AbortSignal | undefined;
}

async function searchIndexes(vault: Vault, { type, damaged, signal }: Search): Promise<Map<BlobId, BlobPlace[]>> {
  const packOf = new Map(damaged.map((place) => [place.id, place.packId]));
  const found = new Map<BlobId, BlobPlace[]>();
  const searchOne = async (id: string, both: AbortSignal): Promise<void> => {
    const fields = await loadFile(vault, 'index', id, both);
    for (const pack of decodeIndex(fields, `The file index/${id}`)) {
      for (const blob of pack.blobs) {
        if (blob.type !== type || (packOf.get(blob.id) ?? pack.id) === pack.id) continue;
        found.set(blob.id, [...(found.get(blob.id) ?? []), { ...blob, packId: pack.id }]);
      }
    }
  };
  const files = await listFiles(vault, 'index', signal);
  await mapLimit(
    files.map(({ key }) => key),
    indexReadsMax,
    searchOne,
    signal,
  );
  return found;
}
