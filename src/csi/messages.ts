/** Answers as they go over the wire. */
import type { Group, Snapshot, Volume } from './volumes/records.ts';

export function volumeMessage(volume: Volume, topology: object): object {
  const { source } = volume;
  return {
    volume_id: volume.id,
    capacity_bytes: volume.bytes,
    accessible_topology: [topology],
    ...(source === undefined ? {} : { content_source: sourceMessage(source) }),
  };
}

const sourceMessage = (source: NonNullable<Volume['source']>): object =>
  'snapshotId' in source
    ? { snapshot: { snapshot_id: source.snapshotId } }
    : { volume: { volume_id: source.volumeId } };

export const snapshotMessage = (snapshot: Snapshot): object => ({
  snapshot_id: snapshot.id,
  source_volume_id: snapshot.sourceVolumeId,
  size_bytes: snapshot.bytes,
  creation_time: timestamp(snapshot.createdAtMs),
  ready_to_use: true,
  group_snapshot_id: snapshot.groupId ?? '',
});

export const groupMessage = (group: Group): object => ({
  group_snapshot_id: group.id,
  snapshots: group.snapshots.map(snapshotMessage),
  creation_time: timestamp(group.createdAtMs),
  ready_to_use: true,
});

const timestamp = (ms: number): { seconds: number; nanos: number } => ({
  seconds: Math.floor(ms / 1000),
  nanos: Math.floor(ms % 1000) * 1_000_000,
});
