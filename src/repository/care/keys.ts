import { randomBytes } from 'node:crypto';
import { SalvorError } from '#shared/errors';
import type { Store } from '#stores/store';
import { CONFIG_KEY } from '../config.ts';
import { options } from '../files.ts';
import { currentIdentity } from '../identity.ts';
import type { Identity } from '../identity.ts';
import { addKey, defaultKdf, describeKeys, findKey } from '../keys.ts';
import type { KdfParameters, KeyDescription } from '../keys.ts';
import type { MasterKey } from '../seal.ts';
import { openAccess, underLock } from './access.ts';

/** A key file of a repository. */
export interface RepositoryKey extends KeyDescription {
  /** It is the one that the given password opens. */
  readonly isCurrent: boolean;
}

export interface KeysRequest {
  readonly password: string;
  readonly signal?: AbortSignal | undefined;
}

export interface AddKeyOptions extends KeysRequest {
  readonly newPassword: string;
  readonly kdf?: KdfParameters;
  readonly identity?: Identity;
  readonly now: number;
}

/** All key files, with whom they were made by. Throws `KeyWrong` if the password opens none. */
export async function listRepositoryKeys(store: Store, { password, signal }: KeysRequest): Promise<RepositoryKey[]> {
  const { id: current } = await openKey(store, password, signal);
  return (await describeKeys(store, signal)).map((key) => ({ ...key, isCurrent: key.id === current }));
}

/** Lets another password open the repository, as `restic key add`; answers the id of its key file, new or not. */
export async function addRepositoryKey(store: Store, request: AddKeyOptions): Promise<string> {
  const { signal, newPassword, kdf = defaultKdf, identity = currentIdentity(), now } = request;
  const { key } = await openKey(store, request.password, signal);
  // A rotation that was refused its lock is run again, with the key that it had added.
  const there = await tryOpenKey(store, newPassword, signal);
  if (there !== undefined) return there.id;
  const name = await addKey(store, key, {
    password: Buffer.from(newPassword),
    kdf,
    identity,
    now,
    randomBytes,
    signal,
  });
  return name.slice('keys/'.length);
}

/**
 * Takes a password its power, as `restic key remove`. Refuses the key that is in use: so one is always left. Who has copied the
 * master key out of it can read on: for another one, copy into a new repository. Throws `RepositoryLocked` while anybody
 * is at work: two who remove each other's key at the same time would leave none.
 */
export async function removeRepositoryKey(store: Store, prefix: string, request: KeysRequest): Promise<string> {
  const { password, signal: given } = request;
  const access = await openAccess(store, { password, ...options(given) });
  // The key is looked for again under the lock: it may have been removed before.
  return underLock(
    access,
    'exclusive',
    async ({ signal }) => {
      const id = selectKey(await listRepositoryKeys(store, { password, signal }), prefix);
      await store.delete(`keys/${id}`, options(signal));
      return id;
    },
    given,
  );
}

function selectKey(keys: readonly RepositoryKey[], prefix: string): string {
  const [found, another] = keys.filter(({ id }) => id.startsWith(prefix));
  if (found === undefined || prefix === '' || another !== undefined)
    throw new SalvorError(another === undefined ? `There is no key ${prefix}` : `Several keys begin with ${prefix}`, {
      code: another === undefined ? 'NotFound' : 'InvalidInput',
      hint: 'Nothing was removed. List them with: salvor repo keys list',
    });
  if (!found.isCurrent) return found.id;
  throw new SalvorError(`The key ${found.id.slice(0, 8)} is the one that is in use`, {
    code: 'Unsafe',
    hint: 'Open the repository with another key to remove this one.',
  });
}

interface OpenedKey {
  readonly id: string;
  readonly key: MasterKey;
}

async function openKey(store: Store, password: string, signal: AbortSignal | undefined): Promise<OpenedKey> {
  const found = await tryOpenKey(store, password, signal);
  if (found !== undefined) return found;
  throw new SalvorError(`The password does not open the repository ${store.location}`, {
    code: 'KeyWrong',
    hint: 'Give the password this repository was made with.',
  });
}

async function tryOpenKey(
  store: Store,
  password: string,
  signal: AbortSignal | undefined,
): Promise<OpenedKey | undefined> {
  const config = await store.get(CONFIG_KEY, options(signal)).catch((error: unknown) => {
    if (!(error instanceof SalvorError && error.code === 'StoreObjectMissing')) throw error;
    throw new SalvorError(`There is no repository in ${store.location}`, { code: 'RepositoryMissing', cause: error });
  });
  return findKey(
    store,
    Buffer.from(password),
    (sealer, key, id) => (sealer.tryOpen(config) === undefined ? undefined : { id, key }),
    signal,
  );
}
