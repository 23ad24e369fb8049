import type { TreeNode, Xattr } from '#repository/types';
import { fileTypeBits, fileTypeMask } from './posix/files.ts';
import type { FileStat } from './posix/stat.ts';

const typesByBits: ReadonlyMap<number, TreeNode['type']> = new Map(
  Object.entries(fileTypeBits).map(([type, bits]) => [bits, type as keyof typeof fileTypeBits]),
);

export function typeOf(stats: Pick<FileStat, 'mode'>): TreeNode['type'] {
  return typesByBits.get(Number(stats.mode) & fileTypeMask) ?? 'irregular';
}

/**
 * What stat(2) says, as restic records it. The device number is kept only where it identifies hard links: it differs at
 * every mount of a snapshot, and would make every tree a new one. User and group names are those of another machine.
 */
export function nodeOf(name: Buffer, stats: FileStat, xattrs: readonly Xattr[]): TreeNode {
  const type = typeOf(stats);
  const linked = type !== 'dir' && stats.nlink > 1n;
  return {
    name,
    type,
    mode: Number(stats.mode & 0o7777n),
    mtimeNs: stats.mtimeNs,
    atimeNs: stats.atimeNs,
    ctimeNs: stats.ctimeNs,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    inode: stats.ino,
    deviceId: linked ? stats.dev : 0n,
    ...(type === 'dir' ? {} : { links: Number(stats.nlink) }),
    ...(type === 'dev' || type === 'chardev' ? { rdev: stats.rdev } : {}),
    ...(xattrs.length === 0 ? {} : { xattrs }),
  };
}

/** Names of one inode have the same key. Undefined for what has one name only. */
export function hardLinkKey(node: TreeNode): string | undefined {
  if (node.type === 'dir' || node.links === undefined || node.links < 2) return undefined;
  return `${node.deviceId}:${node.inode}`;
}

/**
 * SELinux labels belong to the node that mounts the volume: the container runtime sets them, and refuses them to us.
 * They are captured, so that the repository is complete, but neither restored nor compared.
 */
export function isRestoredXattr(xattr: Pick<Xattr, 'name'>): boolean {
  return xattr.name !== 'security.selinux';
}
