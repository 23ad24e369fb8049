import { createHash } from 'node:crypto';
import { isAbort } from '#shared/errors';
import { aroundCalls } from './around.ts';
import type { GetOptions, Store } from './store.ts';

export interface CacheOptions {
  /** Where the copies lie: a memory store, or a disk store on a fast disk. Given up together with the store. */
  readonly copies: Store;
  /** Which objects never change once written. Only these are kept. */
  readonly isImmutable: (key: string) => boolean;
  /** All copies together; the least recently used go first. */
  readonly bytesMax: number;
  /** Larger answers are not kept: one would push out a hundred small ones. */
  readonly entryBytesMax: number;
}

/** Every copy begins with the SHA-256 of the rest: a disk may have lost what was written without a sound. */
const HASH_BYTES = 32;

/**
 * Keeps copies of small objects and ranges near by, for objects that never change. A copy that cannot be read or is
 * damaged is fetched anew, and a cache that fails only costs time. An object that another program deleted may be given
 * for as long as its copy lives; what is deleted through this store is forgotten.
 */
export async function withCache(store: Store, options: CacheOptions): Promise<Store> {
  const cache = await openCache(options);
  return {
    ...aroundCalls(store, async (_call, run) => run()),
    async get(key, getOptions) {
      if (!options.isImmutable(key)) return store.get(key, getOptions);
      getOptions?.signal?.throwIfAborted();
      const copyKey = copyKeyOf(key, getOptions);
      const copy = await cache.read(copyKey, getOptions?.signal);
      if (copy !== undefined) return copy;
      const bytes = await store.get(key, getOptions);
      await cache.write(copyKey, bytes);
      return bytes;
    },
    async delete(key, callOptions) {
      await store.delete(key, callOptions);
      if (options.isImmutable(key)) await cache.forget(key);
    },
    async close() {
      await Promise.all([store.close(), options.copies.close()]);
    },
  };
}

/** A range has a copy of its own. The dots keep it apart from objects below the key. */
function copyKeyOf(key: string, { offset = 0, length }: GetOptions = {}): string {
  return `${key}/..${offset}-${length ?? ''}`;
}

interface Cache {
  read(copyKey: string, signal: AbortSignal | undefined): Promise<Buffer | undefined>;
  write(copyKey: string, bytes: Buffer): Promise<void>;
  forget(key: string): Promise<void>;
}

async function openCache({ copies, bytesMax, entryBytesMax }: CacheOptions): Promise<Cache> {
  /** Bytes by copy, the least recently used first. */
  const sizes = new Map<string, number>();
  let total = 0;

  const drop = async (copyKey: string): Promise<void> => {
    total -= sizes.get(copyKey) ?? 0;
    sizes.delete(copyKey);
    await copies.delete(copyKey).catch(() => undefined);
  };

  const note = (copyKey: string, size: number): void => {
    total += size - (sizes.get(copyKey) ?? 0);
    sizes.delete(copyKey);
    sizes.set(copyKey, size);
  };

  const shrink = async (): Promise<void> => {
    for (const copyKey of sizes.keys()) {
      if (total <= bytesMax) return;
      await drop(copyKey);
    }
  };

  for (const { key, size } of await copiesByAge(copies)) note(key, size);
  await shrink();

  return {
    async read(copyKey, signal) {
      const size = sizes.get(copyKey);
      if (size === undefined) return undefined;
      const copy = await copies.get(copyKey, signal === undefined ? {} : { signal }).catch((error: unknown) => {
        if (isAbort(error)) throw error;
        return undefined;
      });
      const bytes = copy?.subarray(HASH_BYTES);
      if (copy === undefined || bytes === undefined || !hashOf(bytes).equals(copy.subarray(0, HASH_BYTES))) {
        await drop(copyKey);
        return undefined;
      }
      note(copyKey, size);
      return bytes;
    },
    async write(copyKey, bytes) {
      const size = bytes.length + HASH_BYTES;
      if (size > entryBytesMax) return;
      const written = await copies.put(copyKey, Buffer.concat([hashOf(bytes), bytes])).catch(() => false);
      if (!written) return;
      note(copyKey, size);
      await shrink();
    },
    async forget(key) {
      for (const copyKey of sizes.keys()) if (copyKey.startsWith(`${key}/..`)) await drop(copyKey);
    },
  };
}

/** What an earlier run left, oldest first. A cache that cannot be listed starts empty. */
async function copiesByAge(copies: Store): Promise<{ key: string; size: number }[]> {
  try {
    const found = await Array.fromAsync(copies.list(''));
    return found.toSorted((a, b) => (a.modifiedMs ?? 0) - (b.modifiedMs ?? 0));
  } catch {
    return [];
  }
}

function hashOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
