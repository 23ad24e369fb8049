import { objectMissing, pastTheEnd } from '../errors.ts';
import { checkKey, checkPrefix, checkRange } from '../keys.ts';
import type { CallOptions, GetOptions, ObjectInfo, PutOptions, Store } from '../store.ts';

/** A store that lives in this process: for tests. */
export interface MemoryStore extends Store {
  /** The objects themselves, to look at and to damage. */
  readonly objects: Map<string, Buffer>;
}

/** Makes an empty store in memory. Every call yields to the event loop once, so that races of callers show in tests. */
export function createMemoryStore(name = 'test'): MemoryStore {
  const objects = new Map<string, Buffer>();
  const location = `memory:${name}`;
  const turn = async (options: CallOptions | undefined): Promise<void> => {
    options?.signal?.throwIfAborted();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    options?.signal?.throwIfAborted();
  };
  return {
    location,
    objects,
    async put(key: string, body: Uint8Array, options?: PutOptions) {
      checkKey(key);
      const copy = Buffer.from(body);
      await turn(options);
      if (options?.ifAbsent === true && objects.has(key)) return false;
      objects.set(key, copy);
      return true;
    },
    async get(key: string, options?: GetOptions) {
      checkKey(key);
      const { offset = 0, length } = options ?? {};
      checkRange(offset, length);
      await turn(options);
      const object = objects.get(key);
      if (object === undefined) throw objectMissing(location, key);
      const wanted = length ?? Math.max(0, object.length - offset);
      if (offset + wanted > object.length) {
        throw pastTheEnd(location, key, Math.max(0, object.length - offset), wanted);
      }
      return Buffer.from(object.subarray(offset, offset + wanted));
    },
    async head(key: string, options?: CallOptions) {
      checkKey(key);
      await turn(options);
      const object = objects.get(key);
      return object === undefined ? undefined : { key, size: object.length };
    },
    async *list(prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo> {
      checkPrefix(prefix);
      await turn(options);
      for (const [key, object] of objects) {
        options?.signal?.throwIfAborted();
        if (key.startsWith(prefix)) yield { key, size: object.length };
      }
    },
    async delete(key: string, options?: CallOptions) {
      checkKey(key);
      await turn(options);
      objects.delete(key);
    },
    async close() {},
  };
}
