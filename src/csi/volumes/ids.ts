import { createHash } from 'node:crypto';

/**
 * Ids are made from the names in requests, and are the only thing that ever becomes a path: a hash has no slashes, no
 * dots, no length, and the same name gives the same id, which is what makes Create calls idempotent without an index.
 */
export type VolumeId = string & { readonly brand: 'VolumeId' };
export type SnapshotId = string & { readonly brand: 'SnapshotId' };
export type GroupId = string & { readonly brand: 'GroupId' };

/** 128 bits of SHA-256: names that collide by accident do not happen, and the id stays short in `kubectl get`. */
const hashDigits = 32;

const hash = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, hashDigits);

export const volumeIdOf = (name: string): VolumeId => `vol-${hash(name)}` as VolumeId;

export const snapshotIdOf = (name: string): SnapshotId => `snap-${hash(name)}` as SnapshotId;

export const groupIdOf = (name: string): GroupId => `group-${hash(name)}` as GroupId;

/** The snapshot of one volume inside a group: both ids are in it, so the group is found without an index. */
export const memberIdOf = (group: GroupId, volume: VolumeId): SnapshotId =>
  `member-${group.slice('group-'.length)}-${volume.slice('vol-'.length)}` as SnapshotId;

/** The id if it is one of ours in form; what is not cannot exist here. */
export const parseVolumeId = (text: string): VolumeId | undefined =>
  /^vol-[0-9a-f]{32}$/.test(text) ? (text as VolumeId) : undefined;

export const parseGroupId = (text: string): GroupId | undefined =>
  /^group-[0-9a-f]{32}$/.test(text) ? (text as GroupId) : undefined;

/** A snapshot id and, for the member of a group snapshot, its group. */
export function parseSnapshotId(text: string): { id: SnapshotId; groupId: GroupId | undefined } | undefined {
  if (/^snap-[0-9a-f]{32}$/.test(text)) return { id: text as SnapshotId, groupId: undefined };
  const member = /^member-(?<group>[0-9a-f]{32})-[0-9a-f]{32}$/.exec(text);
  const group = member?.groups?.['group'];
  return group === undefined ? undefined : { id: text as SnapshotId, groupId: `group-${group}` as GroupId };
}
