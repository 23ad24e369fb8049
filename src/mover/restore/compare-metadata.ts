import type { BigIntStats } from 'node:fs';
import type { TreeNode } from '#repository/types';
import type { Difference } from './differences.ts';
import { isRestoredXattr, typeOf } from '../metadata.ts';
import type { XattrBytes } from '../posix/xattrs.ts';

export type Found = Omit<Difference, 'path'>;

/** What of a node is compared with what is on disk. */
export interface ComparedMetadata extends Pick<TreeNode, 'type' | 'mode' | 'uid' | 'gid' | 'mtimeNs' | 'rdev'> {
  readonly xattrs?: readonly XattrBytes[];
}

/** How an entry on disk differs from its node in type, or else in mode, owner, modification time, device and attributes. */
export function compareMetadata(node: ComparedMetadata, stats: BigIntStats, xattrs: readonly XattrBytes[]): Found[] {
  const found: Found[] = [];
  const compare = (what: Found['what'], expected: string, actual: string): void => {
    if (expected !== actual) found.push({ what, expected, found: actual });
  };
  compare('type', node.type, typeOf(stats));
  if (found.length > 0) return found;
  // The mode of a symlink is always 0777 and means nothing.
  if (node.type !== 'symlink') compare('mode', octal(node.mode), octal(Number(stats.mode & 0o7777n)));
  compare('owner', `${node.uid}:${node.gid}`, `${stats.uid}:${stats.gid}`);
  compare('mtime', String(node.mtimeNs), String(stats.mtimeNs));
  if (node.type === 'dev' || node.type === 'chardev') compare('device', String(node.rdev ?? 0n), String(stats.rdev));

  const wanted = new Map((node.xattrs ?? []).filter(isRestoredXattr).map((xattr) => [xattr.name, xattr.value]));
  const present = new Map(xattrs.filter(isRestoredXattr).map((xattr) => [xattr.name, xattr.value]));
  for (const name of new Set([...wanted.keys(), ...present.keys()])) {
    compare('xattr', describe(name, wanted.get(name)), describe(name, present.get(name)));
  }
  return found;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function describe(name: string, value: Uint8Array | undefined): string {
  return value === undefined ? `no ${name}` : `${name}=0x${Buffer.from(value).toString('hex')}`;
}
