/** Requests as they arrive, and their checks. In proto-loader's shapes an unset message is null, an unset oneof member is not there. */
import { isAbsolute, normalize } from 'node:path';
import { invalidArgument, outOfRange } from './errors.ts';
import { fsTypes } from './volumes/capacity.ts';
import type { CapacityRange, FsType } from './volumes/capacity.ts';
import type { ContentSource } from './volumes/records.ts';

export type StringMap = Readonly<Record<string, string>>;

export interface CapabilityMessage {
  readonly block?: object;
  readonly mount?: { readonly fs_type: string; readonly mount_flags: readonly string[] };
  readonly access_mode: { readonly mode: string } | null;
}

export interface CapacityRangeMessage {
  readonly required_bytes: number;
  readonly limit_bytes: number;
}

export interface ContentSourceMessage {
  readonly snapshot?: { readonly snapshot_id: string };
  readonly volume?: { readonly volume_id: string };
}

export interface TopologyMessage {
  readonly segments: StringMap;
}

/** How a volume is to be used. */
export interface Capability {
  /** Undefined when the request leaves the choice to the driver. */
  readonly fsType: FsType | undefined;
  readonly mountFlags: readonly string[];
  readonly readOnly: boolean;
  /** Only one target path may show the volume. */
  readonly singleTarget: boolean;
}

/** Limits of the CSI specification, and of paths in Linux. */
const nameBytesMax = 128;
const pathBytesMax = 4095;

/** The snapshotter and provisioner add their own facts under this prefix when told to. */
const sidecarParameterPrefix = 'csi.storage.k8s.io/';

/** Mount options a volume may ask for: none that reaches outside of its own filesystem, such as loop=, or remount. */
const mountFlagsAllowed = new Set(
  (
    'ro rw noatime nodiratime relatime strictatime lazytime nosuid nodev noexec sync dirsync discard nodiscard ' +
    'barrier nobarrier data=ordered data=journal user_xattr acl nouuid inode64 largeio'
  ).split(' '),
);

/** A name chosen by the caller. Only its hash ever becomes part of a path. */
export function requireName(field: string, value: string): string {
  if (value === '') throw invalidArgument(field, 'is missing');
  if (Buffer.byteLength(value) > nameBytesMax) throw invalidArgument(field, `is longer than ${nameBytesMax} bytes`);
  // oxlint-disable-next-line no-control-regex -- the specification forbids exactly these
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) throw invalidArgument(field, 'has control characters');
  return value;
}

/** An id given by this driver; whether it is one is found out by looking it up. */
export function requireId(field: string, value: string): string {
  if (value === '') throw invalidArgument(field, 'is missing');
  return value;
}

/** A path chosen by the kubelet: absolute, and exactly the path it seems to be. */
export function requirePath(field: string, value: string): string {
  if (value === '') throw invalidArgument(field, 'is missing');
  if (!isAbsolute(value) || value.includes('\0')) throw invalidArgument(field, 'is not an absolute path');
  if (Buffer.byteLength(value) > pathBytesMax) throw invalidArgument(field, `is longer than ${pathBytesMax} bytes`);
  const path = value.length > 1 && value.endsWith('/') ? value.slice(0, -1) : value;
  if (normalize(path) !== path || path === '/') throw invalidArgument(field, 'is not a normalized path');
  return path;
}

export function parseCapability(field: string, message: CapabilityMessage | null): Capability {
  if (message === null) throw invalidArgument(field, 'is missing');
  if (message.block !== undefined)
    throw invalidArgument(`${field}.block`, 'is not offered: only filesystem volumes are');
  if (message.mount === undefined) throw invalidArgument(`${field}.mount`, 'is missing');
  const { fs_type: fsType, mount_flags: mountFlags } = message.mount;
  if (fsType !== '' && !isFsType(fsType)) {
    throw invalidArgument(`${field}.mount.fs_type`, `is ${quote(fsType)}; offered are ${fsTypes.join(', ')}`);
  }
  for (const flag of mountFlags) {
    if (!mountFlagsAllowed.has(flag)) {
      throw invalidArgument(`${field}.mount.mount_flags`, `has ${quote(flag)}, which is not an allowed mount option`);
    }
  }
  return { fsType: fsType === '' ? undefined : fsType, mountFlags, ...parseAccessMode(field, message) };
}

function parseAccessMode(field: string, message: CapabilityMessage): Pick<Capability, 'readOnly' | 'singleTarget'> {
  const mode = message.access_mode?.mode ?? 'UNKNOWN';
  switch (mode) {
    case 'SINGLE_NODE_WRITER':
    case 'SINGLE_NODE_MULTI_WRITER':
      return { readOnly: false, singleTarget: false };
    case 'SINGLE_NODE_SINGLE_WRITER':
      return { readOnly: false, singleTarget: true };
    case 'SINGLE_NODE_READER_ONLY':
      return { readOnly: true, singleTarget: false };
    default:
      throw invalidArgument(
        `${field}.access_mode.mode`,
        mode === 'UNKNOWN' ? 'is missing' : `is ${mode}, but a volume lives on one node`,
      );
  }
}

/** Several capabilities at once, as in CreateVolume: at least one, all offered, and of one filesystem type. */
export function parseCapabilities(field: string, messages: readonly CapabilityMessage[]): { fsType?: FsType } {
  if (messages.length === 0) throw invalidArgument(field, 'is missing');
  const types = new Set(messages.map((message, index) => parseCapability(`${field}[${index}]`, message).fsType));
  types.delete(undefined);
  if (types.size > 1) throw invalidArgument(field, `ask for different fs_types: ${[...types].join(', ')}`);
  const [fsType] = types;
  return fsType === undefined ? {} : { fsType };
}

export function parseCapacityRange(message: CapacityRangeMessage | null): CapacityRange {
  const requiredBytes = parseBytes('capacity_range.required_bytes', message?.required_bytes ?? 0);
  const limitBytes = parseBytes('capacity_range.limit_bytes', message?.limit_bytes ?? 0);
  if (requiredBytes !== undefined && limitBytes !== undefined && requiredBytes > limitBytes) {
    throw invalidArgument('capacity_range.required_bytes', 'is more than limit_bytes');
  }
  return { requiredBytes, limitBytes };
}

/** Zero is how protobuf says "not given". */
function parseBytes(field: string, value: number): number | undefined {
  if (value < 0) throw invalidArgument(field, 'is negative');
  if (!Number.isSafeInteger(value)) throw outOfRange(`${field} is more than any pool has`);
  return value === 0 ? undefined : value;
}

export function parseContentSource(message: ContentSourceMessage | null): ContentSource | undefined {
  if (message === null) return undefined;
  const field = 'volume_content_source';
  if (message.snapshot !== undefined) {
    return { snapshotId: requireId(`${field}.snapshot.snapshot_id`, message.snapshot.snapshot_id) };
  }
  if (message.volume !== undefined)
    return { volumeId: requireId(`${field}.volume.volume_id`, message.volume.volume_id) };
  throw invalidArgument(field, 'names neither a snapshot nor a volume');
}

/** This driver has no parameters: one that is set is a mistake that must not pass in silence. */
export function refuseParameters(field: string, parameters: StringMap): void {
  for (const key of Object.keys(parameters)) {
    if (!key.startsWith(sidecarParameterPrefix)) throw invalidArgument(field, `has ${quote(key)}, which is not known`);
  }
}

const isFsType = (text: string): text is FsType => (fsTypes as readonly string[]).includes(text);

/** Text of a caller in a message: short, and on one line. */
const quote = (text: string): string => JSON.stringify(text.slice(0, 60));
