import { SalvorError } from '#shared/errors';
import type { Catalog } from './catalog.ts';
import { corrupt } from './corrupt.ts';
import { options } from './files.ts';
import type { Vault } from './files.ts';
import { openBlob, packKey } from './pack.ts';
import { decodeTree } from './tree.ts';
import type { BlobId, BlobSource, BlobType } from './types.ts';

/** Reads blobs out of their packs, one range of one pack each. */
export function createBlobReader(vault: Vault, catalog: Pick<Catalog, 'find' | 'has'>): BlobSource {
  const loadBlob = async (type: BlobType, id: BlobId, signal?: AbortSignal): Promise<Buffer> => {
    const place = catalog.find(type, id);
    if (place === undefined) throw corrupt(`The ${type} blob ${id} is in no index of ${vault.store.location}`);
    const range = { offset: place.offset, length: place.length, ...options(signal) };
    const sealed = await vault.store.get(packKey(place.packId), range).catch((error: unknown) => {
      if (!(error instanceof SalvorError && error.code === 'StoreObjectMissing')) throw error;
      throw corrupt(`The pack ${place.packId} with the ${type} blob ${id} is missing`, error);
    });
    return openBlob(sealed, place, vault.sealer);
  };
  return {
    hasBlob: (type, id) => catalog.has(type, id),
    loadBlob,
    loadTree: async (id, signal) => decodeTree(await loadBlob('tree', id, signal), id),
  };
}
