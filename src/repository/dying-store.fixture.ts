import { collect } from '#stores/body';
import type { Store } from '#stores/store';

/**
 * When the process dies, and how the change it was making ends. `torn` is for stores without atomic writes, which break
 * the contract of `Store`: half of the object is there.
 */
export interface Death {
  /** The number of the change (a put or a delete), from 0. */
  readonly at: number;
  readonly how: 'before' | 'after' | 'torn';
}

export const deaths: readonly Death['how'][] = ['before', 'after', 'torn'];

export interface DyingStore extends Store {
  /** Changes that were begun. */
  readonly changes: number;
  readonly isDead: boolean;
}

/** What every call is answered after the death: nobody hears it, but what runs on must not do anything more. */
export class Killed extends Error {
  constructor() {
    super('killed');
  }
}

/**
 * A fake, for tests: a store whose process is killed at a chosen change. The real thing, SIGKILL, cannot be aimed so
 * well; it is in kill.system.test.ts of the mover.
 */
export function dyingStore(store: Store, death: Death): DyingStore {
  let changes = 0;
  let isDead = false;
  const live = (): void => {
    if (isDead) throw new Killed();
  };
  const change = async <T>(whole: () => Promise<T>, half: () => Promise<unknown>): Promise<T> => {
    live();
    if (changes++ !== death.at) return whole();
    isDead = true;
    if (death.how === 'after') await whole();
    if (death.how === 'torn') await half();
    throw new Killed();
  };
  return {
    ...store,
    get changes() {
      return changes;
    },
    get isDead() {
      return isDead;
    },
    put: async (key, body, options) =>
      change(
        async () => store.put(key, body, options),
        // Of files that are read whole a torn one must not be there under its name: see the contract of `Store`.
        async () =>
          key.startsWith('data/') ? store.put(key, firstHalf(await collect(body, options)), options) : false,
      ),
    delete: async (key, options) =>
      change(
        async () => store.delete(key, options),
        async () => {},
      ),
    async get(key, options) {
      live();
      return store.get(key, options);
    },
    async head(key, options) {
      live();
      return store.head(key, options);
    },
    async *list(prefix, options) {
      live();
      yield* store.list(prefix, options);
    },
  };
}

function firstHalf(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length / 2);
}
