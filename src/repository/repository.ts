import { randomBytes as systemRandomBytes } from 'node:crypto';
import { systemClock } from '#shared/async';
import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import type { Store } from '#stores/store';
import { createBlobReader } from './blob-reader.ts';
import { createBlobWriter } from './blob-writer.ts';
import { createCatalog } from './catalog.ts';
import { CONFIG_KEY, decodeConfig, encodeConfig } from './config.ts';
import type { Config } from './config.ts';
import { options } from './files.ts';
import { currentIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { addKey, defaultKdf, findKey, newMasterKey } from './keys.ts';
import type { KdfParameters } from './keys.ts';
import { SMALL_FILE_BYTES_MAX } from './limits.ts';
import { takeLock } from './lock.ts';
import { randomPolynomial } from './polynomial.ts';
import { createSealer } from './seal.ts';
import type { Sealer } from './seal.ts';
import { loadSnapshots, saveSnapshot } from './snapshot.ts';
import { encodeTree } from './tree.ts';
import type { Repository } from './types.ts';
import { corrupt } from './corrupt.ts';

export interface AccessOptions {
  /** As in restic: the bytes of the password, without a final newline. */
  readonly password: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Who is named in locks and key files. */
  readonly identity?: Identity;
  /** Where the index goes that does not fit into memory; the system's folder for temporary files by default. */
  readonly scratchFolder?: string;
}

export interface CreateOptions extends AccessOptions {
  /** Cost of trying a password. */
  readonly kdf?: KdfParameters;
  /** Random bytes for keys, salt, id and polynomial; cryptographically secure. */
  readonly randomBytes?: (count: number) => Uint8Array;
  /** 1 only to test with; 2 has compression. */
  readonly version?: 1 | 2;
  /** Of a repository whose data is to be copied here, so that what comes later deduplicates against it; random by default. */
  readonly chunkerPolynomial?: bigint;
}

/** A repository that is unlocked, but whose index is not read. */
export interface Unlocked {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly config: Config;
}

/**
 * Makes a repository in the store and opens it. Throws `RepositoryExists` if there is one; of two that create at the
 * same time one wins. The store stays the caller's to close.
 */
export async function createRepository(store: Store, request: CreateOptions): Promise<Repository> {
  const password = passwordBytes(request.password);
  const { signal, randomBytes = systemRandomBytes } = request;
  if ((await store.head(CONFIG_KEY, options(signal))) !== undefined) throw exists(store);

  // A creator that died before it wrote the config left a key; a second key with the same password would make restic
  // try the wrong one. So it is used.
  const left = await findKey(store, password, (_sealer, key) => key, signal);
  const key = left ?? newMasterKey(randomBytes);
  const clock = request.clock ?? systemClock;
  const identity = request.identity ?? currentIdentity();
  const added =
    left === undefined
      ? await addKey(store, key, {
          password,
          kdf: request.kdf ?? defaultKdf,
          identity,
          now: clock.now(),
          randomBytes,
          signal,
        })
      : undefined;

  const sealer = createSealer(key);
  const config: Config = {
    version: request.version ?? 2,
    id: Buffer.from(randomBytes(32)).toString('hex'),
    chunkerPolynomial: request.chunkerPolynomial ?? randomPolynomial(randomBytes),
  };
  const sealed = sealer.seal(Buffer.from(encodeConfig(config)));
  if (!(await store.put(CONFIG_KEY, sealed, { ifAbsent: true, ...options(signal) }))) {
    if (added !== undefined) await store.delete(added);
    throw exists(store);
  }
  const repository = assemble({ store, sealer, config }, request);
  await repository.refresh(signal);
  return repository;
}

/**
 * Opens a repository of format version 1 or 2. Its index is read when it is first needed. Throws `RepositoryMissing`,
 * `KeyWrong`, `RepositoryUnsupported`. The store stays the caller's to close.
 */
export async function openRepository(store: Store, request: AccessOptions): Promise<Repository> {
  return assemble(await unlock(store, request), request);
}

/** Finds the key and reads the config. */
export async function unlock(store: Store, request: AccessOptions): Promise<Unlocked> {
  const password = passwordBytes(request.password);
  const sealed = await readConfig(store, request.signal);
  const found = await findKey(
    store,
    password,
    (sealer) => {
      const plain = sealer.tryOpen(sealed);
      return plain === undefined ? undefined : { sealer, plain };
    },
    request.signal,
  );
  if (found === undefined) {
    throw new SalvorError(`The password does not open the repository ${store.location}`, {
      code: 'KeyWrong',
      hint: 'Give the password this repository was made with, or choose another folder or prefix for a new one.',
    });
  }
  return { store, sealer: found.sealer, config: decodeConfig(found.plain, store.location) };
}

function assemble(unlocked: Unlocked, request: AccessOptions): Repository {
  const { store, sealer, config } = unlocked;
  const vault = { store, sealer, version: config.version };
  const catalog = createCatalog(vault, request);
  const clock = request.clock ?? systemClock;
  const writer = createBlobWriter(vault, catalog, { clock });
  const reader = createBlobReader(vault, catalog);
  const identity = request.identity ?? currentIdentity();

  return {
    id: config.id,
    location: store.location,
    chunkerPolynomial: config.chunkerPolynomial,
    ...reader,
    async loadBlob(type, id, signal) {
      await catalog.load(signal);
      return reader.loadBlob(type, id, signal);
    },
    async loadTree(id, signal) {
      await catalog.load(signal);
      return reader.loadTree(id, signal);
    },
    async saveBlob(type, bytes, signal) {
      await catalog.load(signal);
      return writer.saveBlob(type, bytes, signal);
    },
    async saveTree(nodes, signal) {
      await catalog.load(signal);
      return writer.saveBlob('tree', encodeTree(nodes), signal);
    },
    async packing(threads, signal) {
      await catalog.load(signal);
      return writer.packing(threads);
    },
    flush: async (signal) => writer.flush(signal),
    indexStored: async (signal) => writer.indexStored(signal),
    refresh: async (signal) => catalog.refresh(signal),
    async shareIndex(signal) {
      await catalog.load(signal);
      return catalog.share();
    },
    async saveSnapshot(snapshot, signal) {
      await catalog.load(signal);
      await writer.flush(signal);
      // Also a tree that a prune has marked since: this snapshot brings it back.
      if (catalog.find('tree', snapshot.tree) === undefined) {
        throw new SalvorError(`The tree ${snapshot.tree} was not saved`, { code: 'Internal' });
      }
      return saveSnapshot(vault, snapshot, signal);
    },
    snapshots: async (signal) => loadSnapshots(vault, signal),
    deleteSnapshot: async (id, signal) => store.delete(`snapshots/${id}`, options(signal)),
    async lock(mode, signal) {
      const lock = await takeLock(mode, { vault, identity, clock, signal });
      try {
        // A prune may have removed packs since the index was read; while we hold the lock none can.
        await catalog.refresh(signal);
        return lock;
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await writer.stop();
      await catalog[Symbol.asyncDispose]();
    },
  };
}

async function readConfig(store: Store, signal: AbortSignal | undefined): Promise<Buffer> {
  const info = await store.head(CONFIG_KEY, options(signal));
  if (info === undefined) {
    throw new SalvorError(`There is no repository in ${store.location}`, {
      code: 'RepositoryMissing',
      hint: 'Check the location, or create a repository there.',
    });
  }
  if (info.size > SMALL_FILE_BYTES_MAX)
    throw corrupt(`The config of ${store.location} is too large: ${info.size} bytes`);
  return store.get(CONFIG_KEY, options(signal));
}

function passwordBytes(password: string | Uint8Array): Uint8Array {
  const bytes = typeof password === 'string' ? Buffer.from(password) : password;
  if (bytes.length > 0) return bytes;
  throw new SalvorError('The repository password is empty', { code: 'KeyMissing', hint: 'Give a password.' });
}

function exists(store: Store): SalvorError {
  return new SalvorError(`There is a repository in ${store.location} already`, {
    code: 'RepositoryExists',
    hint: 'Open it, or choose another folder or prefix.',
  });
}
