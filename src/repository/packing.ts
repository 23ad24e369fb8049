import { openIndexView } from './blob-lookup.ts';
import type { BlobLookup, IndexView } from './blob-lookup.ts';
import type { SharedIndex } from './blob-index.ts';
import { createBlobPacker } from './blob-packer.ts';
import type { Catalog } from './catalog.ts';
import { CLAIMS_MAX, openClaims } from './claims.ts';
import type { Claims } from './claims.ts';
import { blobId } from './ids.ts';
import { CHUNK_BYTES_MAX } from './limits.ts';
import { openPackMemory } from './pack-memory.ts';
import type { PackMemory, SharedPackMemory } from './pack-memory.ts';
import { decodeHeader, encodeHeader, plainBytes } from './pack.ts';
import type { PackUploads } from './pack-uploads.ts';
import { createSealer } from './seal.ts';
import type { KeyHandles } from './seal.ts';
import type { BlobId, SavedBlob } from './types.ts';

/**
 * Packing in several threads: each reads, hashes, compresses and seals on its own and hands over finished packs, which
 * one thread uploads and lists. They share the memory of packs, the claims and the index; nothing is copied.
 */
export interface Packing extends Disposable {
  /** To be sent to the threads, for `openThreadPacker`. The keys in it are handles. */
  readonly grant: PackingGrant;
  /** Takes a pack that a thread has delivered. */
  accept(pack: ThreadPack): void;
  /** Aborted with the error when the store failed: the threads shall stop. */
  readonly failed: AbortSignal;
  /** True when the threads shall flush, so that `renew` can empty the claims. */
  readonly isCrowded: boolean;
  /** After all threads have flushed: waits until everything is stored. Answers the index that the threads shall use now. */
  renew(signal?: AbortSignal): Promise<IndexView>;
}

export interface PackingGrant {
  readonly keys: KeyHandles;
  readonly version: 1 | 2;
  readonly claims: SharedArrayBuffer;
  readonly memory: SharedPackMemory;
  readonly index: IndexView;
}

/** A finished pack on its way between threads. */
export interface ThreadPack {
  readonly id: string;
  /** The entries of its header, not sealed. */
  readonly header: Uint8Array;
  readonly slot: number;
  readonly bytes: number;
}

/** What a thread packs with. Saving blocks the thread while all memory is on its way to the store. */
export interface ThreadPacker {
  save(bytes: Uint8Array): SavedBlob;
  /** Bytes of a blob of content, if it is stored as far as the index told. */
  bytesOf(id: BlobId): number | undefined;
  /** Delivers what is not full yet. */
  flush(): void;
  renew(index: IndexView): void;
}

export interface PackingDeps {
  readonly keys: KeyHandles;
  readonly version: 1 | 2;
  readonly claims: Claims;
  readonly memory: PackMemory;
  readonly catalog: Pick<Catalog, 'share'>;
  readonly uploads: PackUploads;
}

/** More than this is a reason to empty the table of claims soon. */
const CROWDED_CLAIMS = CLAIMS_MAX / 2;

export function createPacking(deps: PackingDeps): Packing {
  const { keys, version, claims, memory, catalog, uploads } = deps;
  let index: SharedIndex = catalog.share();
  return {
    get grant() {
      return { keys, version, claims: claims.shared, memory: memory.shared, index: index.view };
    },
    failed: uploads.failed,
    get isCrowded() {
      return claims.used > CROWDED_CLAIMS;
    },
    accept({ id, header, slot, bytes }) {
      const shared = memory.shared.slots[slot];
      if (shared === undefined) throw new RangeError(`There is no memory ${slot}`);
      const blobs = decodeHeader(Buffer.from(header.buffer, header.byteOffset, header.length), `The pack ${id}`);
      uploads.add({ id, blobs, body: Buffer.from(shared, 0, bytes) }, () => memory.release(slot));
    },
    async renew(signal) {
      await uploads.settle(signal);
      const old = index;
      index = catalog.share();
      old[Symbol.dispose]();
      claims.clear();
      return index.view;
    },
    [Symbol.dispose]() {
      index[Symbol.dispose]();
    },
  };
}

/** Opens what `Packing.grant` holds, in the thread that was sent it. */
export function openThreadPacker(grant: PackingGrant, deliver: (pack: ThreadPack) => void): ThreadPacker {
  const memory = openPackMemory(grant.memory);
  let stored: BlobLookup = openIndexView(grant.index);
  const packer = createBlobPacker({
    sealer: createSealer(grant.keys),
    version: grant.version,
    claims: openClaims(grant.claims),
    isStored: (type, id) => stored.has(type, id),
    deliver: ({ pack, slot }) =>
      deliver({ id: pack.id, header: encodeHeader(pack.blobs), slot, bytes: pack.body.length }),
  });
  return {
    bytesOf(id) {
      const place = stored.find('data', id);
      return place === undefined ? undefined : plainBytes(place);
    },
    save(bytes) {
      if (bytes.length > CHUNK_BYTES_MAX) throw new RangeError(`A chunk of ${bytes.length} bytes is too large`);
      if (!packer.hasMemory('data')) {
        const known = packer.known('data', blobId(bytes));
        if (known !== undefined) return known;
        packer.give('data', memory.takeBlocking());
      }
      return packer.save('data', bytes);
    },
    flush: () => packer.flush(),
    renew(index) {
      stored = openIndexView(index);
    },
  };
}
