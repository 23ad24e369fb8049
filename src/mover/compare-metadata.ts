import type { BigIntStats } from 'node:fs';
import type { TreeNode, Xattr } from '#repository/types';
import type { Difference } from './differences.ts';
import { isRestoredXattr } from './metadata.ts';

type Found = Omit<Difference, 'path'>;

/** How an entry on disk differs from its node in mode, owner, modification time, device number and attributes. */
export function compareMetadata(node: TreeNode, stats: BigIntStats, xattrs: readonly Xattr[]): Found[] {
  const found: Found[] = [];
  const compare = (what: Found['what'], expected: string, actual: string): void => {
    if (expected !== actual) found.push({ what, expected, found: actual });
  };
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

function describe(name: string, value: Buffer | undefined): string {
  return value === undefined ? `no ${name}` : `${name}=0x${value.toString('hex')}`;
}
