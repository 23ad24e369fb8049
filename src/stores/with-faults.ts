import { SalvorError } from '#shared/errors';
import { collect } from './body.ts';
import type { CallOptions, ObjectBody, ObjectInfo, PutOptions, Store } from './store.ts';

/**
 * For tests only: a fake that makes a sound store fail as real ones sometimes do, at moments that a test chooses. Nothing
 * of the product uses it.
 */
export interface Fault {
  readonly on: 'put' | 'get' | 'head' | 'delete' | 'list';
  /** Only calls whose key starts with this; default: all. */
  readonly prefix?: string;
  /** The nth of these calls, counted from 1; or each of them with this chance, by the seed. */
  readonly when: { readonly nth: number } | { readonly chance: number };
  readonly effect: FaultEffect;
}

export type FaultEffect =
  /** The call is not made. Default error: unreachable, may be tried again. A listing fails in its middle. */
  | { readonly kind: 'fail'; readonly error?: () => Error }
  /** The call is made, and its answer lost. */
  | { readonly kind: 'lose-answer'; readonly error?: () => Error }
  /** Nothing happens until the caller aborts. */
  | { readonly kind: 'hang' }
  /** A put stores, a get gives, only the first half: what a sound store never does. */
  | { readonly kind: 'truncate' }
  /** A put stores, a get gives, bytes with one bit flipped. */
  | { readonly kind: 'corrupt' };

export interface Faults {
  readonly faults: readonly Fault[];
  /** Of the chances and of the bits that flip: the same seed, the same faults, if the calls come in the same order. */
  readonly seed?: number;
}

export interface FaultyStore extends Store {
  /** Which faults have struck: `get data/ab corrupt`. */
  readonly struck: readonly string[];
}

/** A store around a store that fails as it is told. */
export function withFaults(store: Store, { faults, seed = 1 }: Faults): FaultyStore {
  const random = seededRandom(seed);
  const counts = new Map<Fault, number>();
  const struck: string[] = [];

  const strike = (on: Fault['on'], key: string): FaultEffect | undefined => {
    let effect: FaultEffect | undefined;
    for (const fault of faults) {
      if (fault.on !== on || !key.startsWith(fault.prefix ?? '')) continue;
      const count = (counts.get(fault) ?? 0) + 1;
      counts.set(fault, count);
      const hit = 'nth' in fault.when ? fault.when.nth === count : random() < fault.when.chance;
      if (hit) effect ??= fault.effect;
    }
    if (effect !== undefined) struck.push(`${on} ${key} ${effect.kind}`);
    return effect;
  };

  const harm = async <T>(effect: FaultEffect | undefined, options: CallOptions | undefined, call: () => Promise<T>) => {
    if (effect?.kind === 'hang') await untilAborted(options?.signal);
    if (effect?.kind === 'fail') throw errorOf(effect);
    const answer = await call();
    if (effect?.kind === 'lose-answer') throw errorOf(effect);
    return answer;
  };

  const put = async (key: string, body: ObjectBody, options?: PutOptions): Promise<boolean> => {
    const effect = strike('put', key);
    if (effect?.kind !== 'truncate' && effect?.kind !== 'corrupt') {
      return harm(effect, options, async () => store.put(key, body, options));
    }
    const { sha256: _sha256, length: _length, ...rest } = options ?? {};
    return store.put(key, damage(await collect(body, options), effect.kind, random), rest);
  };

  return {
    ...store,
    struck,
    put,
    get: async (key, options) => {
      const effect = strike('get', key);
      const bytes = await harm(effect, options, async () => store.get(key, options));
      return effect?.kind === 'truncate' || effect?.kind === 'corrupt' ? damage(bytes, effect.kind, random) : bytes;
    },
    head: async (key, options) => harm(strike('head', key), options, async () => store.head(key, options)),
    delete: async (key, options) => harm(strike('delete', key), options, async () => store.delete(key, options)),
    list: (prefix, options) => listUntil(store, { prefix, options, effect: strike('list', prefix) }),
  };
}

interface FaultyListing {
  readonly prefix: string;
  readonly options: CallOptions | undefined;
  readonly effect: FaultEffect | undefined;
}

async function* listUntil(store: Store, { prefix, options, effect }: FaultyListing): AsyncIterable<ObjectInfo> {
  if (effect === undefined) {
    yield* store.list(prefix, options);
    return;
  }
  if (effect.kind === 'hang') await untilAborted(options?.signal);
  const all = await Array.fromAsync(store.list(prefix, options));
  yield* all.slice(0, Math.floor(all.length / 2));
  if (effect.kind === 'fail' || effect.kind === 'lose-answer') throw errorOf(effect);
}

function damage(bytes: Buffer, kind: 'truncate' | 'corrupt', random: () => number): Buffer {
  if (kind === 'truncate') return bytes.subarray(0, Math.floor(bytes.length / 2));
  const bit = Math.floor(random() * bytes.length * 8);
  const copy = Buffer.from(bytes);
  const old = copy[bit >> 3];
  if (old !== undefined) copy[bit >> 3] = old ^ (1 << (bit & 7));
  return copy;
}

function errorOf(effect: { readonly error?: () => Error }): Error {
  if (effect.error !== undefined) return effect.error();
  return new SalvorError('The store does not answer (a fault of the test)', {
    code: 'StoreUnreachable',
    retryable: true,
  });
}

async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const give = (): void => reject(signal?.reason);
    if (signal?.aborted === true) give();
    signal?.addEventListener('abort', give, { once: true });
  });
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
