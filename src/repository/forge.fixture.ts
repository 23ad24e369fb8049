import { zstdDecompressSync } from 'node:zlib';
import type { MemoryStore } from '#stores/memory/memory-store';
import type { Store } from '#stores/store';
import { password } from './fixtures.ts';
import { fileId } from './ids.ts';
import { encodeIndex } from './index-file.ts';
import { encodeHeader, packKey } from './pack.ts';
import type { BlobEntry } from './pack.ts';
import { unlock } from './repository.ts';
import type { Sealer } from './seal.ts';
import type { BlobId, BlobType } from './types.ts';

/**
 * For tests: makes what only somebody who has the key can make, an attacker or a broken writer: any bytes, sealed
 * soundly and stored under their right name.
 */
export interface Forge {
  readonly sealer: Sealer;
  /** The plain bytes of a sealed file: opened, and decompressed if they are compressed. */
  plainOf(key: string): Buffer;
  /** Puts other plain bytes in the place of a file; answers its new key. The config and packs keep nothing of the old. */
  replace(key: string, plain: Uint8Array): string;
  /** Stores a pack of these blobs and an index file that lists it. */
  addPack(blobs: readonly ForgedBlob[]): void;
}

export interface ForgedBlob {
  readonly type: BlobType;
  readonly id: BlobId;
  /** What is sealed: the plain bytes, or a zstd frame. */
  readonly content: Uint8Array;
  /** What the header says: 0 for a blob that is not compressed. */
  readonly uncompressedLength: number;
}

export async function createForge(store: MemoryStore): Promise<Forge> {
  const { sealer } = await unlock(store, { password });
  const { objects } = store;
  const add = (kind: string, plain: Uint8Array): string => {
    const stored = sealer.seal(plain);
    const key = `${kind}/${fileId(stored)}`;
    objects.set(key, stored);
    return key;
  };
  return {
    sealer,
    plainOf(key) {
      const plain = sealer.open(objects.get(key) ?? Buffer.alloc(0), key);
      return plain[0] === 2 ? zstdDecompressSync(plain.subarray(1)) : plain;
    },
    replace(key, plain) {
      objects.delete(key);
      if (key.includes('/')) return add(key.slice(0, key.indexOf('/')), plain);
      objects.set(key, sealer.seal(plain));
      return key;
    },
    addPack(blobs) {
      const entries: BlobEntry[] = [];
      const bodies: Buffer[] = [];
      let offset = 0;
      for (const { type, id, content, uncompressedLength } of blobs) {
        const sealed = sealer.seal(content);
        entries.push({ type, id, offset, length: sealed.length, uncompressedLength });
        bodies.push(sealed);
        offset += sealed.length;
      }
      const pack = Buffer.concat([...bodies, sealedHeader(sealer, encodeHeader(entries))]);
      objects.set(packKey(fileId(pack)), pack);
      add('index', Buffer.from(encodeIndex([{ id: fileId(pack), blobs: entries }])));
    },
  };
}

/** The end of a pack: its header, sealed, and the header's length. */
export function sealedHeader(sealer: Sealer, plain: Uint8Array): Buffer {
  const header = sealer.seal(plain);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([header, length]);
}

/** A copy of the objects, to be spoiled and thrown away. */
export function copyObjects(from: MemoryStore, to: MemoryStore): MemoryStore {
  for (const [key, object] of from.objects) to.objects.set(key, object);
  return to;
}

/** The work that a small repository may cause, whatever it says of itself: far more than a sound one of its size needs. */
const WORK = { calls: 500, bytes: 64 * 1024 * 1024 };

/** Counts what is asked of a store, and fails (not as a `SalvorError`, so that no code takes it for damage) above the bound. */
export function withBoundedWork(store: Store): Store {
  let calls = 0;
  let bytes = 0;
  const count = (read: number): void => {
    calls++;
    bytes += read;
    if (calls > WORK.calls || bytes > WORK.bytes)
      throw new Error(`${calls} calls and ${bytes} bytes are too much work`);
  };
  return {
    ...store,
    async get(key, options) {
      const body = await store.get(key, options);
      count(body.length);
      return body;
    },
    async head(key, options) {
      count(0);
      return store.head(key, options);
    },
    list(prefix, options) {
      count(0);
      return store.list(prefix, options);
    },
  };
}
