import { fileId } from '../ids.ts';
import { options } from '../files.ts';
import type { Vault } from '../files.ts';
import { PACK_BLOBS_MAX, PACK_BYTES_TARGET } from '../limits.ts';
import { encodeHeader, packKey } from '../pack.ts';
import type { BlobEntry, PackEntry } from '../pack.ts';
import type { BlobType } from '../types.ts';

/** Writes packs of blobs that are sealed already, with this repository's key: no byte is compressed or sealed again. */
export interface PackWriter {
  /** `sealed` is kept until its pack is written. */
  add(blob: BlobEntry, sealed: Uint8Array): Promise<void>;
  /** Writes the rest; answers all packs, which are in the store and in no index yet. */
  finish(): Promise<PackEntry[]>;
}

interface OpenPack {
  readonly parts: Uint8Array[];
  readonly blobs: BlobEntry[];
  bytes: number;
}

const LENGTH_BYTES = 4;

export function createPackWriter(vault: Vault, signal?: AbortSignal): PackWriter {
  const open: Record<BlobType, OpenPack> = { data: emptyPack(), tree: emptyPack() };
  const written: PackEntry[] = [];

  const write = async (type: BlobType): Promise<void> => {
    const { parts, blobs } = open[type];
    open[type] = emptyPack();
    if (blobs.length === 0) return;
    const header = vault.sealer.seal(encodeHeader(blobs));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(header.length);
    const body = Buffer.concat([...parts, header, length]);
    const id = fileId(body);
    await vault.store.put(packKey(id), body, options(signal));
    written.push({ id, blobs });
  };

  return {
    async add(blob, sealed) {
      const pack = open[blob.type];
      pack.parts.push(sealed);
      pack.blobs.push({ ...blob, offset: pack.bytes });
      pack.bytes += sealed.length;
      if (pack.bytes >= PACK_BYTES_TARGET || pack.blobs.length >= PACK_BLOBS_MAX) await write(blob.type);
    },
    async finish() {
      await write('data');
      await write('tree');
      return written;
    },
  };
}

function emptyPack(): OpenPack {
  return { parts: [], blobs: [], bytes: 0 };
}
