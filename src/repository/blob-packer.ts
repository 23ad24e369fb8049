import type { Claims } from './claims.ts';
import { blobId } from './ids.ts';
import type { MemorySlot } from './pack-memory.ts';
import { createPackBuilder } from './pack.ts';
import type { Pack, PackBuilder } from './pack.ts';
import type { Sealer } from './seal.ts';
import type { BlobId, BlobType, SavedBlob } from './types.ts';

/** What fills packs, in the main thread and in others: hash, look up, compress, seal. It never waits. */
export interface BlobPacker {
  /** The blob's answer if it need not be stored: the repository has it, or somebody is about to store it. */
  known(type: BlobType, id: BlobId): SavedBlob | undefined;
  /** True if there is memory for the next blob of this type; if not, `give` some before `save`. */
  hasMemory(type: BlobType): boolean;
  give(type: BlobType, memory: MemorySlot): void;
  /** Consumes the bytes before it returns. */
  save(type: BlobType, bytes: Uint8Array): SavedBlob;
  /** Delivers what is not full yet. */
  flush(): void;
}

export interface FinishedPack {
  readonly pack: Pack;
  /** What to give back when the pack's body is not needed any more. */
  readonly slot: number;
}

export interface PackerOptions {
  readonly sealer: Sealer;
  readonly version: 1 | 2;
  readonly claims: Claims;
  /** Whether a stored pack holds the blob. */
  readonly isStored: (type: BlobType, id: BlobId) => boolean;
  readonly deliver: (finished: FinishedPack) => void;
}

interface OpenPack {
  readonly builder: PackBuilder;
  readonly slot: number;
}

export function createBlobPacker(options: PackerOptions): BlobPacker {
  const { sealer, version, claims, isStored, deliver } = options;
  const open = new Map<BlobType, OpenPack>();
  const idBytes = Buffer.alloc(32);

  const bytesOf = (id: BlobId): Buffer => {
    idBytes.write(id, 'hex');
    return idBytes;
  };

  const close = (type: BlobType): void => {
    const { builder, slot } = open.get(type) ?? {};
    if (builder === undefined || slot === undefined) return;
    open.delete(type);
    deliver({ pack: builder.finish(), slot });
  };

  return {
    known: (type, id) =>
      isStored(type, id) || claims.has(type, bytesOf(id)) ? { id, isNew: false, storedBytes: 0 } : undefined,
    hasMemory: (type) => open.has(type),
    give(type, { slot, buffer }) {
      open.set(type, { slot, builder: createPackBuilder(sealer, version, buffer) });
    },
    save(type, bytes) {
      const id = blobId(bytes);
      const { builder } = open.get(type) ?? {};
      if (builder === undefined) throw new Error('A packer was given no memory');
      if (isStored(type, id) || !claims.claim(type, bytesOf(id))) return { id, isNew: false, storedBytes: 0 };
      const storedBytes = builder.add(type, id, bytes);
      if (builder.isFull) close(type);
      return { id, isNew: true, storedBytes };
    },
    flush() {
      close('data');
      close('tree');
    },
  };
}
