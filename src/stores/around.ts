import type { GetOptions, PutOptions, Store } from './store.ts';

/** One call of a store, as decorators see it. */
export interface StoreCall {
  readonly operation: StoreOperation;
  readonly key: string;
  readonly options: PutOptions | GetOptions | undefined;
}

export type StoreOperation = 'put' | 'get' | 'head' | 'delete' | 'extendRetention' | 'retentionOf';

/** Runs the call: before, after, instead or again, as the decorator likes. */
export type Around = <T>(call: StoreCall, run: () => Promise<T>) => Promise<T>;

/** A store whose calls go through `around`. Listings do not: they are many calls under a reader's control. */
export function aroundCalls(store: Store, around: Around): Store {
  const { objectLock } = store;
  return {
    location: store.location,
    put: async (key, body, options) =>
      around({ operation: 'put', key, options }, async () => store.put(key, body, options)),
    get: async (key, options) => around({ operation: 'get', key, options }, async () => store.get(key, options)),
    head: async (key, options) => around({ operation: 'head', key, options }, async () => store.head(key, options)),
    list: (prefix, options) => store.list(prefix, options),
    delete: async (key, options) =>
      around({ operation: 'delete', key, options }, async () => store.delete(key, options)),
    close: async () => store.close(),
    ...(objectLock !== undefined && {
      objectLock: {
        extendRetention: async (key, retention, options) =>
          around({ operation: 'extendRetention', key, options }, async () =>
            objectLock.extendRetention(key, retention, options),
          ),
        retentionOf: async (key, options) =>
          around({ operation: 'retentionOf', key, options }, async () => objectLock.retentionOf(key, options)),
      },
    }),
  };
}
