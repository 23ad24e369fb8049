import { findNode, listPath, walkTree } from '#repository/find';
import { selectSnapshots } from '#repository/care/forget';
import type { Repository, Snapshot, TreeNode } from '#repository/types';
import { formatTimeNs } from '#repository/rfc3339';
import { SalvorError } from '#shared/errors';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { plain } from '../output/plain.ts';
import { print } from '../output/print.ts';

export interface RepoLsFlags extends StoreFlags, ClusterFlags {
  readonly recursive: boolean;
  readonly output: OutputFormat;
}

/** `salvor repo ls [SNAPSHOT[:PATH]]` */
export async function repoLs(this: CliContext, flags: RepoLsFlags, what?: string): Promise<void> {
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const { repository } = opened;
  const snapshots = await repository.snapshots(this.signal);
  if (what === undefined) {
    await listSnapshots(this, flags, snapshots);
    return;
  }
  const place = placeOf(snapshots, what);
  const entries = await entriesAt(repository, place, { recursive: flags.recursive, signal: this.signal });
  await print(
    this,
    {
      value: entries.map(({ path, node }) => ({ path: plain(path), ...described(node) })),
      names: entries.map(({ path }) => plain(path)),
      rows: [
        ['MODE', 'OWNER', 'SIZE', 'MODIFIED', 'NAME'],
        ...entries.map(({ path, node }) => [
          modeOf(node),
          `${node.uid}:${node.gid}`,
          node.size === undefined ? '' : String(node.size),
          formatTimeNs(node.mtimeNs).slice(0, 19),
          plain(path + (node.linkTarget === undefined ? '' : ` -> ${node.linkTarget.toString()}`)),
        ]),
      ],
    },
    flags.output,
  );
}

async function listSnapshots(context: CliContext, flags: RepoLsFlags, snapshots: readonly Snapshot[]): Promise<void> {
  await print(
    context,
    {
      value: snapshots.map(({ id, time, hostname, paths, tags }) => ({ id, time, hostname, paths, tags })),
      names: snapshots.map(({ id }) => id),
      rows: [
        ['SNAPSHOT', 'TIME', 'HOST', 'TAGS', 'PATHS'],
        ...snapshots.map(({ id, time, hostname, tags, paths }) =>
          [id.slice(0, 8), time.slice(0, 19), hostname, tags.join(' '), paths.join(' ')].map(plain),
        ),
      ],
      after: snapshots.length === 0 ? '' : `\nLook into one: salvor repo ls ${snapshots.at(-1)?.id.slice(0, 8)}`,
    },
    flags.output,
  );
}

/** A folder or file of a snapshot. */
export interface Place {
  readonly snapshot: Snapshot;
  /** `/` for all of it. */
  readonly path: string;
}

/** Reads `SNAPSHOT`, `SNAPSHOT:PATH` or `latest:PATH`; throws `NotFound` or `InvalidInput`. */
export function placeOf(snapshots: readonly Snapshot[], what: string): Place {
  const [id = '', ...rest] = what.split(':');
  const path = rest.length === 0 ? '/' : rest.join(':');
  const newest = snapshots.at(-1);
  const snapshot = id === 'latest' && newest !== undefined ? newest : selectSnapshots(snapshots, [id])[0];
  if (snapshot === undefined) throw new SalvorError(`There is no snapshot ${id}`, { code: 'NotFound' });
  return { snapshot, path: path === '' ? '/' : path };
}

interface Entry {
  readonly path: string;
  readonly node: TreeNode;
}

interface Listing {
  readonly recursive: boolean;
  readonly signal: AbortSignal;
}

async function entriesAt(
  repository: Repository,
  { snapshot, path }: Place,
  { recursive, signal }: Listing,
): Promise<Entry[]> {
  const node = path === '/' ? undefined : await findNode(repository, snapshot.tree, path, signal);
  if (node !== undefined && node.subtree === undefined) return [{ path, node }];
  if (!recursive)
    return (await listPath(repository, snapshot.tree, path, signal)).map((one) => ({
      path: one.name.toString(),
      node: one,
    }));
  const root = node?.subtree ?? (path === '/' ? snapshot.tree : undefined);
  if (root === undefined)
    throw new SalvorError(`There is no ${path} in snapshot ${snapshot.id.slice(0, 8)}`, { code: 'NotFound' });
  const entries: Entry[] = [];
  for await (const found of walkTree(repository, root, signal))
    entries.push({ path: found.path.toString(), node: found.node });
  return entries;
}

function described({ type, size, uid, gid, mtimeNs, linkTarget }: TreeNode): object {
  const mode = { type, uid, gid, modified: formatTimeNs(mtimeNs) };
  return {
    ...mode,
    ...(size === undefined ? {} : { size }),
    ...(linkTarget === undefined ? {} : { linkTarget: plain(linkTarget.toString()) }),
  };
}

const letters: Readonly<Record<TreeNode['type'], string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  dev: 'b',
  chardev: 'c',
  fifo: 'p',
  socket: 's',
  irregular: '?',
};

/** `drwxr-xr-x`, without the special bits, which `-o json` has. */
function modeOf({ type, mode }: TreeNode): string {
  const bits = 'rwxrwxrwx'.split('').map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : '-'));
  return letters[type] + bits.join('');
}
