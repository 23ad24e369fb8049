import { chmodSync, closeSync, fchmodSync, fchownSync, fstatSync, lchownSync } from 'node:fs';
import type { TreeNode } from '#repository/types';
import { isRestoredXattr } from '../metadata.ts';
import { openNode } from '../directory.ts';
import { setTimes } from '../posix/files.ts';
import { errnoOf } from '../posix/libc.ts';
import { listXattrs, removeXattr, writeXattr, type XattrBytes, type XattrTarget } from '../posix/xattrs.ts';

/** What was tried and failed: the rest is applied all the same. */
export type Problem = { readonly step: string; readonly error: unknown };

/** What of a node is applied to an entry once its content is there. */
export interface Metadata extends Pick<TreeNode, 'type' | 'mode' | 'uid' | 'gid' | 'atimeNs' | 'mtimeNs'> {
  readonly xattrs?: readonly XattrBytes[];
}

/**
 * Sets owner, mode, attributes and times, in the only order that works: changing the owner clears setuid bits and file
 * capabilities, changing the mode rewrites the mask of an ACL, and everything changes the times of an entry.
 */
export function applyToFile(node: Metadata, fd: number): Problem[] {
  const xattrs = xattrSteps(node, fd);
  return run([
    ['owner', () => fchownSync(fd, node.uid, node.gid)],
    ...xattrs.plain,
    ['mode', () => fchmodSync(fd, node.mode)],
    ...xattrs.acls,
    ['times', () => setTimes(fd, node.atimeNs, node.mtimeNs)],
  ]);
}

/** The same for what cannot be opened without consequences: symlinks, devices, FIFOs, sockets. */
export function applyToPath(node: Metadata, path: Buffer): Problem[] {
  const xattrs = xattrSteps(node, path);
  return run([
    ['owner', () => lchownSync(path, node.uid, node.gid)],
    ...xattrs.plain,
    // The mode of a symlink cannot be set and means nothing.
    ...(node.type === 'symlink' ? [] : [['mode', () => changeMode(path, node.mode)] as const]),
    ...xattrs.acls,
    ['times', () => setTimes(path, node.atimeNs, node.mtimeNs)],
  ]);
}

type Step = readonly [name: string, attempt: () => unknown];

function run(steps: readonly Step[]): Problem[] {
  const problems: Problem[] = [];
  for (const [step, attempt] of steps) {
    try {
      attempt();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      problems.push({ step, error });
    }
  }
  return problems;
}

function isAcl(name: string): boolean {
  return name.startsWith('system.posix_acl_');
}

/** Removes what was inherited from the directory (default ACLs) and sets what the node has. */
function xattrSteps(node: Metadata, target: XattrTarget): { readonly plain: Step[]; readonly acls: Step[] } {
  const wanted = (node.xattrs ?? []).filter(isRestoredXattr);
  const names = new Set(wanted.map(({ name }) => name));
  const write = (xattr: XattrBytes): Step => [`extended attribute ${xattr.name}`, () => writeXattr(target, xattr)];
  const clear: Step = [
    'extended attributes',
    () => {
      for (const name of listXattrs(target)) {
        // Security labels are put there by the kernel's own rules.
        if (!names.has(name) && !name.startsWith('security.')) removeXattr(target, name);
      }
    },
  ];
  return {
    plain: wanted.filter(({ name }) => !isAcl(name)).map(write),
    // Inherited entries are removed after the mode is set: it would rewrite what is left of them.
    acls: [clear, ...wanted.filter(({ name }) => isAcl(name)).map(write)],
  };
}

/** chmod(2) follows symlinks; through a handle on the entry itself there is nothing left to follow. */
function changeMode(path: Buffer, mode: number): void {
  const fd = openNode(path);
  try {
    if (!fstatSync(fd).isSymbolicLink()) chmodSync(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}
