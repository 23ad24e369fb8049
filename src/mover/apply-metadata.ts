import { chmod, lchown, type FileHandle } from 'node:fs/promises';
import type { TreeNode, Xattr } from '#repository/types';
import { openNode } from './directory.ts';
import { isRestoredXattr } from './metadata.ts';
import { setTimes } from './posix/files.ts';
import { errnoOf } from './posix/libc.ts';
import { readXattrs, removeXattr, writeXattr, type XattrTarget } from './posix/xattrs.ts';

/** What was tried and failed: the rest is applied all the same. */
export type Problem = { readonly step: string; readonly error: unknown };

/**
 * Sets owner, mode, attributes and times, in the only order that works: changing the owner clears setuid bits and file
 * capabilities, changing the mode rewrites the mask of an ACL, and everything changes the times of an entry.
 */
export async function applyToHandle(node: TreeNode, handle: FileHandle): Promise<Problem[]> {
  return run([
    ['owner', () => handle.chown(node.uid, node.gid)],
    ...xattrSteps(node, handle.fd, (xattr) => !isAcl(xattr.name)),
    ['mode', () => handle.chmod(node.mode)],
    ...xattrSteps(node, handle.fd, (xattr) => isAcl(xattr.name)),
    ['times', () => setTimes(handle.fd, node.atimeNs, node.mtimeNs)],
  ]);
}

/** The same for what cannot be opened without consequences: symlinks, devices, FIFOs, sockets. */
export async function applyToPath(node: TreeNode, path: Buffer): Promise<Problem[]> {
  return run([
    ['owner', () => lchown(path, node.uid, node.gid)],
    ...xattrSteps(node, path, (xattr) => !isAcl(xattr.name)),
    // The mode of a symlink cannot be set and means nothing.
    ...(node.type === 'symlink' ? [] : [['mode', () => changeMode(path, node.mode)] as const]),
    ...xattrSteps(node, path, (xattr) => isAcl(xattr.name)),
    ['times', () => setTimes(path, node.atimeNs, node.mtimeNs)],
  ]);
}

type Step = readonly [name: string, attempt: () => unknown];

async function run(steps: readonly Step[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const [step, attempt] of steps) {
    try {
      await attempt();
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
function xattrSteps(node: TreeNode, target: XattrTarget, chosen: (xattr: Xattr) => boolean): Step[] {
  const wanted = (node.xattrs ?? []).filter((xattr) => isRestoredXattr(xattr) && chosen(xattr));
  const names = new Set(wanted.map((xattr) => xattr.name));
  const clear: Step = [
    'extended attributes',
    () => {
      for (const xattr of readXattrs(target).xattrs) {
        // Security labels are put there by the kernel's own rules.
        const ours = chosen(xattr) && !names.has(xattr.name) && !xattr.name.startsWith('security.');
        if (ours) removeXattr(target, xattr.name);
      }
    },
  ];
  return [clear, ...wanted.map((xattr): Step => [`extended attribute ${xattr.name}`, () => writeXattr(target, xattr)])];
}

/** chmod(2) follows symlinks; through a handle on the entry itself there is nothing left to follow. */
async function changeMode(path: Buffer, mode: number): Promise<void> {
  await using handle = await openNode(path);
  const stats = await handle.stat();
  if (!stats.isSymbolicLink()) await chmod(`/proc/self/fd/${handle.fd}`, mode);
}
