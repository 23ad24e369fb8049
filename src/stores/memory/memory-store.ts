import { SalvorError } from '#shared/errors';
import { collect } from '../body.ts';
import { objectMissing, pastTheEnd } from '../errors.ts';
import { checkKey, checkPrefix, checkRange } from '../keys.ts';
import type {
  CallOptions,
  GetOptions,
  ObjectBody,
  ObjectInfo,
  ObjectLock,
  PutOptions,
  Retention,
  Store,
} from '../store.ts';

/** A store that lives in this process: for tests. */
export interface MemoryStore extends Store {
  /** The objects themselves, to look at and to damage. */
  readonly objects: Map<string, Buffer>;
  /** As of a bucket that keeps no versions: what is under retention is neither replaced nor deleted. */
  readonly objectLock: ObjectLock;
}

/** Makes an empty store in memory. Every call yields to the event loop once, so that races of callers show in tests. */
export function createMemoryStore(name = 'test'): MemoryStore {
  const objects = new Map<string, Buffer>();
  const retentions = new Map<string, Retention>();
  const location = `memory:${name}`;
  const turn = async (options: CallOptions | undefined): Promise<void> => {
    options?.signal?.throwIfAborted();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    options?.signal?.throwIfAborted();
  };
  const refuseLocked = (key: string, doing: string): void => {
    if ((retentions.get(key)?.untilMs ?? 0) <= Date.now()) return;
    throw new SalvorError(`Failed ${doing} ${key} in ${location}: it is under retention`, {
      code: 'StoreAccessDenied',
    });
  };
  const extend = (key: string, wanted: Retention): void => {
    const now = retentions.get(key);
    const mode = now?.mode === 'compliance' ? 'compliance' : wanted.mode;
    retentions.set(key, { mode, untilMs: Math.max(now?.untilMs ?? 0, wanted.untilMs) });
  };
  return {
    location,
    objects,
    async put(key: string, body: ObjectBody, options?: PutOptions) {
      checkKey(key);
      options?.signal?.throwIfAborted();
      const copy = await collect(body, options);
      await turn(options);
      if (options?.ifAbsent === true && objects.has(key)) return false;
      refuseLocked(key, 'replacing');
      objects.set(key, copy);
      if (options?.retention !== undefined) extend(key, options.retention);
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
      refuseLocked(key, 'deleting');
      objects.delete(key);
      retentions.delete(key);
    },
    async close() {},
    objectLock: {
      async extendRetention(key, retention, options) {
        checkKey(key);
        await turn(options);
        if (!objects.has(key)) throw objectMissing(location, key);
        extend(key, retention);
      },
      async retentionOf(key, options) {
        checkKey(key);
        await turn(options);
        if (!objects.has(key)) throw objectMissing(location, key);
        return retentions.get(key);
      },
    },
  };
}
