import { isUtf8 } from 'node:buffer';
import { findNode, listPath, walkTree } from '#repository/find';
import type { FoundNode } from '#repository/find';
import type { Repository, Snapshot, TreeNode } from '#repository/types';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { jsonText, plain, plainTree } from '../output/plain.ts';
import { print } from '../output/print.ts';
import { writeOut } from '../output/stream.ts';
import { findSnapshotPath } from '../snapshot-path.ts';
import type { SnapshotPath } from '../snapshot-path.ts';

export interface RepoLsFlags extends StoreFlags, ClusterFlags {
  readonly recursive: boolean;
  readonly output: OutputFormat;
}

/** `salvor repo ls [ID[:PATH]]`: the snapshots, or what is in one. */
export async function repoLs(this: CliContext, flags: RepoLsFlags, place?: string): Promise<void> {
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const { repository } = opened;
  if (place === undefined) {
    await listSnapshots(this, await repository.snapshots(this.signal), flags.output);
    return;
  }
  const found = await findSnapshotPath(repository, place, this.signal);
  const entries = entriesOf(repository, { ...found, recursive: flags.recursive }, this.signal);
  await writeOut(this, await textOf(entries, flags.output));
}

async function listSnapshots(context: CliContext, snapshots: readonly Snapshot[], output: OutputFormat): Promise<void> {
  await print(
    context,
    {
      value: snapshots.map(({ id, time, hostname, tags, paths }) => ({ id, time, hostname, tags, paths })),
      names: snapshots.map(({ id }) => id),
      rows: [
        ['SNAPSHOT', 'TIME', 'HOST', 'TAGS', 'PATHS'],
        ...snapshots.map(({ id, time, hostname, tags, paths }) => [
          id.slice(0, 8),
          plain(time),
          plain(hostname),
          plain(tags.join(' ')),
          plain(paths.join(' ')),
        ]),
      ],
      after: snapshots.length === 0 ? 'No snapshots yet.' : '\nNext: salvor repo ls SNAPSHOT',
    },
    output,
  );
}

interface Listing extends SnapshotPath {
  readonly recursive: boolean;
}

/** The entries of a folder, or below it; a file is listed itself. Paths begin at the snapshot's root. */
async function* entriesOf(
  repository: Repository,
  { snapshot, path, recursive }: Listing,
  signal: AbortSignal,
): AsyncIterable<FoundNode> {
  const parts = path.split('/').filter((part) => part !== '');
  const base = parts.map((part) => `/${part}`).join('');
  const inBase = (name: Buffer): Buffer => Buffer.concat([Buffer.from(`${base}/`), name]);
  const node = parts.length === 0 ? undefined : await findNode(repository, snapshot.tree, path, signal);
  if (node !== undefined && node.subtree === undefined) {
    yield { path: Buffer.from(base), node };
    return;
  }
  if (recursive) {
    const root = node?.subtree ?? (await rootOf());
    for await (const found of walkTree(repository, root, signal)) yield { ...found, path: inBase(found.path) };
    return;
  }
  for (const entry of await listPath(repository, snapshot.tree, path, signal)) {
    yield { path: inBase(entry.name), node: entry };
  }

  /** Of the snapshot; a path that names nothing is told as `listPath` tells it. */
  async function rootOf(): Promise<Snapshot['tree']> {
    await listPath(repository, snapshot.tree, path, signal);
    return snapshot.tree;
  }
}

/** One entry after the other: a snapshot may have more than fit into memory. */
async function textOf(entries: AsyncIterable<FoundNode>, output: OutputFormat): Promise<AsyncIterable<string>> {
  switch (output) {
    case 'json':
      return jsonArray(entries);
    case 'yaml': {
      const { stringify } = await import('yaml');
      return eachAs(entries, (found) => stringify([plainTree(recordOf(found))]));
    }
    case 'name':
      return eachAs(entries, ({ path }) => `${plain(path.toString())}\n`);
    case 'table':
    case 'wide':
      return eachAs(entries, lineOf);
    default:
      return output satisfies never;
  }
}

async function* eachAs(entries: AsyncIterable<FoundNode>, text: (found: FoundNode) => string): AsyncIterable<string> {
  for await (const found of entries) yield text(found);
}

async function* jsonArray(entries: AsyncIterable<FoundNode>): AsyncIterable<string> {
  let separator = '[\n';
  for await (const found of entries) {
    yield `${separator}${jsonText(recordOf(found))}`;
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

/** A path that is not UTF-8 is given as bytes, too: its text has lost them. */
function recordOf({ path, node }: FoundNode): object {
  return {
    path: path.toString(),
    ...(isUtf8(path) ? {} : { pathBase64: path.toString('base64') }),
    type: node.type,
    ...(node.size === undefined ? {} : { size: node.size }),
    mode: node.mode.toString(8).padStart(4, '0'),
    uid: node.uid,
    gid: node.gid,
    mtime: timeOf(node),
    ...(node.linkTarget === undefined ? {} : { linkTarget: node.linkTarget.toString() }),
  };
}

function lineOf({ path, node }: FoundNode): string {
  const size = node.size === undefined ? '' : String(node.size);
  const columns = [
    node.type.padEnd(7),
    node.mode.toString(8).padStart(4, '0'),
    `${node.uid}:${node.gid}`.padEnd(9),
    size.padStart(12),
    timeOf(node),
  ];
  const target = node.linkTarget === undefined ? '' : ` -> ${plain(node.linkTarget.toString())}`;
  return `${columns.join('  ')}  ${plain(path.toString())}${target}\n`;
}

/** To the second; a time that no calendar has, which a forged tree can hold, in nanoseconds. */
function timeOf({ mtimeNs }: TreeNode): string {
  const date = new Date(Number(mtimeNs / 1_000_000n));
  return Number.isNaN(date.getTime()) ? String(mtimeNs) : `${date.toISOString().slice(0, -5)}Z`;
}
