import { readFile } from 'node:fs/promises';
import { kinds } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { systemNamespace } from '#execution/names';
import type { MoverSecrets } from '#execution/staging';
import { KubeClient } from '#kube/client';
import { loadConnection } from '#kube/connection';
import { openAccess } from '#repository/care/access';
import type { Access } from '#repository/care/access';
import { createRepository, openRepository } from '#repository/repository';
import type { Repository } from '#repository/types';
import { SalvorError, messageOf } from '#shared/errors';
import { parseLocation } from '#stores/location';
import type { StoreLocation } from '#stores/location';
import { openStore } from '#stores/open';
import type { Store } from '#stores/store';
import type { CliContext } from './context.ts';
import type { ClusterFlags, StoreFlags } from './flags.ts';

/** Where a cluster keeps the repository's key unless told otherwise. */
const defaultKeySecret = `${systemNamespace}/salvor-repository`;
const keySecretField = 'repository-password';
/** About four seconds: a person who misspelt the endpoint waits for the answer. */
const firstAttemptsMax = 4;
/** A key shorter than this can be guessed. */
const keyLengthMin = 8;

export async function openCluster(context: CliContext, flags: ClusterFlags): Promise<KubeClient> {
  return new KubeClient(await loadConnection(flags), context.clock);
}

/** The store as pods reach it, and as this machine does. */
export interface StorePlaces {
  /** As the user wrote it: what movers get. */
  readonly forPods: string;
  readonly forUs: StoreLocation;
}

export function storePlaces(context: CliContext, flags: StoreFlags): StorePlaces {
  const store = flags.store ?? context.settings.store;
  if (store === undefined) {
    throw new SalvorError('No store is given', {
      code: 'Usage',
      hint: 'Give --store s3://BUCKET/PREFIX, or set SALVOR_STORE.',
    });
  }
  const location = parseLocation(store);
  const endpoint = flags.storeEndpoint ?? context.settings.storeEndpoint;
  if (endpoint === undefined || location.kind !== 's3') return { forPods: store, forUs: location };
  const url = new URL(store);
  url.searchParams.set('endpoint', endpoint);
  return { forPods: store, forUs: parseLocation(url.toString()) };
}

/** The repository's key: from a file, else from a Secret of the cluster. Never from an argument. */
export async function repositoryKey(
  context: CliContext,
  flags: StoreFlags,
  cluster: () => Promise<KubeClient>,
): Promise<string> {
  const file = flags.keyFile ?? (flags.keySecret === undefined ? context.settings.keyFile : undefined);
  return file === undefined
    ? keyFromSecret(flags.keySecret ?? defaultKeySecret, await cluster(), context.signal)
    : keyFromFile(file);
}

export async function keyFromFile(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new SalvorError(`Cannot read the key file ${file}: ${messageOf(error)}`, {
      code: 'KeyMissing',
      cause: error,
      hint: `Make a new key and repository with: salvor repo init --key-file ${file}`,
    });
  }
  return checkedKey(text.trim(), `The key file ${file}`);
}

async function keyFromSecret(reference: string, client: KubeClient, signal: AbortSignal): Promise<string> {
  const [namespace, name, rest] = reference.split('/');
  if (namespace === undefined || name === undefined || name === '' || rest !== undefined) {
    throw new SalvorError(`Not a Secret: "${reference}"`, { code: 'Usage', hint: 'Give --key-secret NAMESPACE/NAME.' });
  }
  const secret = await client.get<KubeObject & { readonly data?: Record<string, string> }>(
    kinds.secrets,
    { namespace, name },
    signal,
  );
  const data = secret?.data?.[keySecretField];
  if (data === undefined) {
    throw new SalvorError(
      secret === undefined
        ? `There is no Secret ${reference} with the repository's key`
        : `Secret ${reference} has no field ${keySecretField}`,
      {
        code: 'KeyMissing',
        hint: 'Give --key-file FILE (salvor repo init --key-file FILE makes one), or create the Secret with that field.',
      },
    );
  }
  return checkedKey(Buffer.from(data, 'base64').toString('utf8').trim(), `Secret ${reference}`);
}

function checkedKey(key: string, where: string): string {
  if (key.length >= keyLengthMin) return key;
  throw new SalvorError(`${where} holds a key of ${key.length} characters`, {
    code: 'InvalidInput',
    hint: `Use at least ${keyLengthMin}; better: salvor repo init makes a random one.`,
  });
}

export interface OpenedRepository extends AsyncDisposable {
  readonly store: Store;
  readonly repository: Repository;
  /** True when it did not exist before. */
  readonly created: boolean;
  readonly secrets: MoverSecrets;
  readonly storeForPods: string;
}

/** Movers run in the cluster: a folder of this machine is nothing to them. */
export function refuseLocalStore(places: StorePlaces): void {
  if (places.forUs.kind !== 'disk') return;
  throw new SalvorError(`Pods cannot reach the folder ${places.forUs.path} of this machine`, {
    code: 'InvalidInput',
    hint: 'Give a store that both reach: --store s3://BUCKET/PREFIX. Folders are for reading copies of a repository.',
  });
}

/** Opens a store with the credentials of the settings; it is the caller's to close. */
export async function openStoreAt({ settings }: CliContext, location: StoreLocation): Promise<Store> {
  const { credentials } = settings;
  return openStore({ location, firstAttemptsMax, ...(credentials === undefined ? {} : { credentials }) });
}

export interface OpenedAccess extends AsyncDisposable {
  readonly access: Access;
}

/** Opens a repository for its care: finds the key, reads no index. The cluster is asked only if the key is there. */
export async function openAccessFor(context: CliContext, flags: StoreFlags & ClusterFlags): Promise<OpenedAccess> {
  const { forUs: location } = storePlaces(context, flags);
  const password = await repositoryKey(context, flags, async () => openCluster(context, flags));
  const store = await openStoreAt(context, location);
  try {
    const access = await openAccess(store, { password, signal: context.signal, clock: context.clock });
    return { access, [Symbol.asyncDispose]: async () => store.close() };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Opens the store and the repository in it; makes the repository if there is none and the command writes. */
export async function openRepositoryFor(
  context: CliContext,
  flags: StoreFlags,
  cluster: () => Promise<KubeClient>,
  missing: 'create' | 'fail',
): Promise<OpenedRepository> {
  const places = storePlaces(context, flags);
  const password = await repositoryKey(context, flags, cluster);
  const store = await openStoreAt(context, places.forUs);
  try {
    const { repository, created } = await openOrCreate();
    return {
      store,
      repository,
      created,
      secrets: { repositoryPassword: password, credentials: context.settings.credentials },
      storeForPods: places.forPods,
      [Symbol.asyncDispose]: async () => {
        await repository[Symbol.asyncDispose]();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }

  async function openOrCreate(): Promise<{ repository: Repository; created: boolean }> {
    try {
      return { repository: await openRepository(store, { password, signal: context.signal }), created: false };
    } catch (error) {
      const absent = error instanceof SalvorError && error.code === 'RepositoryMissing';
      if (!absent || missing === 'fail') throw error;
      return { repository: await createRepository(store, { password, signal: context.signal }), created: true };
    }
  }
}
