import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { typeOf } from '#mover/metadata';
import { readXattrs } from '#mover/posix/xattrs';
import type { TreeNode } from '#repository/types';

/** What a golden repository holds: written down when it was made, from the source itself. */
export interface Manifest {
  readonly writer: string;
  readonly password: string;
  readonly version: 1 | 2;
  readonly snapshots: readonly GoldenSnapshot[];
}

export interface GoldenSnapshot {
  readonly id: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  /** Where in the snapshot's tree the source is: `/` or the path that was backed up. */
  readonly root: string;
  readonly entries: readonly GoldenEntry[];
}

/** One entry. Bytes are written as Latin-1: one character each. */
export interface GoldenEntry {
  /** Relative to the root. */
  readonly path: string;
  readonly type: TreeNode['type'];
  /** Octal, with setuid, setgid and sticky. */
  readonly mode: string;
  readonly owner: string;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: string;
  readonly links?: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
  /** Base64 by name. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** All entries below a directory, in the order of the bytes of their paths. */
export function entriesOf(root: string): GoldenEntry[] {
  return [...entriesIn(root, '')].sort((left, right) => (left.path < right.path ? -1 : 1));
}

function* entriesIn(root: string, path: string): Iterable<GoldenEntry> {
  const at = (below: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(below, 'latin1')]);
  for (const name of readdirSync(at(path), { encoding: 'buffer' })) {
    const inner = path === '' ? name.toString('latin1') : `${path}/${name.toString('latin1')}`;
    const entry = entryAt(inner, at(inner));
    yield entry;
    if (entry.type === 'dir') yield* entriesIn(root, inner);
  }
}

function entryAt(path: string, at: Buffer): GoldenEntry {
  const stats = lstatSync(at, { bigint: true });
  const type = typeOf(stats);
  return {
    path,
    type,
    mode: (Number(stats.mode) & 0o7777).toString(8),
    owner: `${stats.uid}:${stats.gid}`,
    mtimeNs: String(stats.mtimeNs),
    ...(type === 'dir' || type === 'fifo' ? {} : { links: Number(stats.nlink) }),
    ...(type === 'file' ? { size: Number(stats.size), sha256: hash('sha256', readFileSync(at)) } : {}),
    ...(type === 'symlink' ? { target: readlinkSync(at, { encoding: 'buffer' }).toString('latin1') } : {}),
    ...(type === 'chardev' || type === 'dev' ? { device: String(stats.rdev) } : {}),
    ...attributes(readXattrs(at).xattrs),
  };
}

/** The attributes of an entry, without those that the machine sets. */
export function attributes(xattrs: NonNullable<TreeNode['xattrs']>): Pick<GoldenEntry, 'xattrs'> {
  const kept = xattrs.filter(({ name }) => name !== 'security.selinux');
  if (kept.length === 0) return {};
  return { xattrs: Object.fromEntries(kept.map(({ name, value }) => [name, value.toString('base64')])) };
}
