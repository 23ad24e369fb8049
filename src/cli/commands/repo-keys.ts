import { addRepositoryKey, listRepositoryKeys, removeRepositoryKey } from '#repository/care/keys';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { keyFromFile, openCluster, openStoreAt, repositoryKey, storePlaces } from '../open.ts';
import { plain, plainTree } from '../output/plain.ts';
import { print } from '../output/print.ts';
import { makeKeyFile } from './repo-init.ts';

export interface RepoKeysFlags extends StoreFlags, ClusterFlags {
  readonly output: OutputFormat;
}

export interface NewKeyFlags extends RepoKeysFlags {
  readonly newKeyFile: string;
}

/** `salvor repo keys list` */
export async function repoKeysList(this: CliContext, flags: RepoKeysFlags): Promise<void> {
  const { store, password } = await open(this, flags);
  try {
    const keys = await listRepositoryKeys(store, { password, signal: this.signal });
    await print(
      this,
      {
        value: plainTree({ keys }),
        names: keys.map(({ id }) => id),
        rows: [
          ['', 'KEY', 'USER', 'HOST', 'CREATED'],
          ...keys.map(({ id, username, hostname, created, isCurrent }) =>
            [isCurrent ? '*' : '', id.slice(0, 8), username, hostname, created.slice(0, 19)].map(plain),
          ),
        ],
        after: '\n* is the one in use. What users and hosts are called is what the key files say.',
      },
      flags.output,
    );
  } finally {
    await store.close();
  }
}

/** `salvor repo keys add --new-key-file FILE` */
export async function repoKeysAdd(this: CliContext, flags: NewKeyFlags): Promise<void> {
  const { store, password } = await open(this, flags);
  try {
    const id = await addFrom(this, flags, { store, password });
    await printChange(this, flags, { added: id });
  } finally {
    await store.close();
  }
}

/** `salvor repo keys remove ID` */
export async function repoKeysRemove(this: CliContext, flags: RepoKeysFlags, prefix: string): Promise<void> {
  const { store, password } = await open(this, flags);
  try {
    const removed = await removeRepositoryKey(store, prefix, { password, signal: this.signal });
    await printChange(this, flags, { removed });
  } finally {
    await store.close();
  }
}

/** `salvor repo keys rotate --new-key-file FILE`: adds the new key, proves that it opens, removes the one in use. */
export async function repoKeysRotate(this: CliContext, flags: NewKeyFlags): Promise<void> {
  const { store, password } = await open(this, flags);
  try {
    const keys = await listRepositoryKeys(store, { password, signal: this.signal });
    const added = await addFrom(this, flags, { store, password });
    const newPassword = await keyFromFile(flags.newKeyFile);
    const old = keys.find(({ isCurrent }) => isCurrent)?.id ?? '';
    const removed = await removeRepositoryKey(store, old, { password: newPassword, signal: this.signal });
    await printChange(this, flags, { added, removed });
  } finally {
    await store.close();
  }
}

type Opened = Awaited<ReturnType<typeof open>>;

async function open(context: CliContext, flags: RepoKeysFlags) {
  const { forUs } = storePlaces(context, flags);
  const password = await repositoryKey(context, flags, async () => openCluster(context, flags));
  return { store: await openStoreAt(context, forUs), password };
}

async function addFrom(context: CliContext, { newKeyFile }: NewKeyFlags, { store, password }: Opened): Promise<string> {
  if (await makeKeyFile(newKeyFile))
    context.process.stderr.write(`Made a new key in ${newKeyFile}. Keep a copy outside the cluster.\n`);
  const newPassword = await keyFromFile(newKeyFile);
  const { signal, clock } = context;
  return addRepositoryKey(store, { password, newPassword, now: clock.now(), signal });
}

interface Change {
  readonly added?: string;
  readonly removed?: string;
}

async function printChange(context: CliContext, flags: RepoKeysFlags, change: Change): Promise<void> {
  const { added, removed } = change;
  await print(
    context,
    {
      value: change,
      names: [added, removed].filter((id) => id !== undefined),
      rows: [
        ['KEY', 'CHANGE'],
        ...(added === undefined ? [] : [[added.slice(0, 8), 'added']]),
        ...(removed === undefined ? [] : [[removed.slice(0, 8), 'removed']]),
      ],
      after:
        removed === undefined
          ? '\nNext: use it, then remove the old one: salvor repo keys list'
          : '\nWhoever copied the master key out of the removed key can read on. For another master key: salvor repo copy',
    },
    flags.output,
  );
}
