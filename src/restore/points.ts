import { ledgerSchema } from '#api/ledger';
import type { Ledger } from '#api/ledger';
import type { BlobId, Repository, Snapshot, TreeNode } from '#repository/types';
import { mapLimit } from '#shared/async';
import { SalvorError } from '#shared/errors';

/** Ledgers are read from the store one request each; more at once do not help small servers. */
const readsMax = 8;
/** A ledger names assets, not files. */
const ledgerBytesMax = 64 * 1024 * 1024;

/** A recovery point as it is found in a repository. */
export interface Point {
  readonly name: string;
  readonly snapshot: Snapshot;
  readonly ledger: Ledger;
}

/** All recovery points, oldest first; of one application if asked. Other snapshots in the repository are left alone. */
export async function listPoints(
  repository: Repository,
  application: string | undefined,
  signal: AbortSignal,
): Promise<Point[]> {
  const snapshots = (await repository.snapshots(signal)).filter(
    (snapshot) =>
      snapshot.tags.includes('salvor') &&
      (application === undefined || snapshot.tags.includes(`application=${application}`)),
  );
  return mapLimit(snapshots, readsMax, async (snapshot, both) => loadPoint(repository, snapshot, both), signal);
}

/** The recovery point of that name. Throws `NotFound`, naming the newest ones there are. */
export async function findPoint(repository: Repository, name: string, signal: AbortSignal): Promise<Point> {
  const snapshots = await repository.snapshots(signal);
  const snapshot = snapshots.find((one) => one.tags.includes('salvor') && one.tags.includes(`point=${name}`));
  if (snapshot === undefined) {
    const known = snapshots.flatMap((one) =>
      one.tags.filter((tag) => tag.startsWith('point=')).map((tag) => tag.slice('point='.length)),
    );
    const newest = known.slice(-3).join(', ');
    throw new SalvorError(`There is no recovery point "${name}" in ${repository.location}`, {
      code: 'NotFound',
      hint:
        newest === ''
          ? 'The repository holds none yet: salvor backup APPLICATION makes one.'
          : `The newest are: ${newest}. All: salvor get recoverypoints`,
    });
  }
  return loadPoint(repository, snapshot, signal);
}

async function loadPoint(repository: Repository, snapshot: Snapshot, signal: AbortSignal): Promise<Point> {
  const name = snapshot.tags.find((tag) => tag.startsWith('point='))?.slice('point='.length) ?? snapshot.id;
  const bytes = await readFileAt(repository, snapshot.tree, [snapshot.paths[0]?.slice(1) ?? '', 'ledger.json'], signal);
  const parsed = ledgerSchema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    throw new SalvorError(
      `The ledger of recovery point ${name} is not valid: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`,
      {
        code: 'RepositoryCorrupt',
        hint:
          'A newer version of Salvor may have written it. Its files can be read with: restic ls ' +
          snapshot.id.slice(0, 8),
      },
    );
  }
  return { name, snapshot, ledger: parsed.data };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The entry at a path below a tree; throws `RepositoryCorrupt` if a recovery point lacks it. */
export async function nodeAt(
  repository: Repository,
  tree: BlobId,
  path: readonly string[],
  signal: AbortSignal,
): Promise<TreeNode> {
  let node: TreeNode | undefined;
  let current: BlobId | undefined = tree;
  for (const name of path) {
    node =
      current === undefined
        ? undefined
        : (await repository.loadTree(current, signal)).find((one) => one.name.toString() === name);
    if (node === undefined)
      throw new SalvorError(`The recovery point has no ${path.join('/')}`, { code: 'RepositoryCorrupt' });
    current = node.subtree;
  }
  if (node === undefined) throw new SalvorError('An empty path has no entry', { code: 'Internal' });
  return node;
}

async function readFileAt(
  repository: Repository,
  tree: BlobId,
  path: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  return readFile(repository, await nodeAt(repository, tree, path, signal), signal);
}

/** A small file's bytes. */
export async function readFile(repository: Repository, node: TreeNode, signal: AbortSignal): Promise<Buffer> {
  if ((node.size ?? 0) > ledgerBytesMax)
    throw new SalvorError(`${node.name.toString()} is too large: ${node.size} bytes`, { code: 'RepositoryCorrupt' });
  const blobs: Buffer[] = [];
  for (const id of node.content ?? []) blobs.push(await repository.loadBlob('data', id, signal));
  return Buffer.concat(blobs);
}
