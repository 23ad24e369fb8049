import { isUtf8 } from 'node:buffer';
import { SalvorError } from '#shared/errors';
import { corrupt } from './corrupt.ts';
import {
  asArray,
  asBytes,
  asCount,
  asObject,
  asString,
  asUint32,
  asUint64,
  optional,
  parseObject,
  required,
  within,
} from './fields.ts';
import type { Fields } from './fields.ts';
import { jsonString, jsonStringOfBytes, quote, unquote } from './go-text.ts';
import { toBlobId } from './ids.ts';
import { NAME_BYTES_MAX } from './limits.ts';
import { formatTimeNs, parseTimeNs } from './rfc3339.ts';
import type { BlobId, TreeNode, Xattr } from './types.ts';

/** Type bits of Go's os.FileMode, by node type. */
const goTypeBits: Readonly<Record<TreeNode['type'], number>> = {
  file: 0,
  dir: 2 ** 31,
  symlink: 2 ** 27,
  dev: 2 ** 26,
  chardev: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  irregular: 2 ** 19,
};

/** setuid, setgid and sticky: the bit of stat(2), and the bit of Go's os.FileMode. */
const specialBits = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
] as const;

/** What Go takes for a time that is missing: rustic leaves out what it does not know. */
const ZERO_TIME = '0001-01-01T00:00:00Z';

/** A directory as a tree blob, sorted by name; with the same nodes it equals restic's byte for byte. */
export function encodeTree(nodes: readonly TreeNode[]): Buffer {
  return joinTree(nodes.map(encodeNode));
}

/** One entry of a tree as text. Both are bytes as latin1, a character per byte: they sort as bytes do, and need no decoding. */
export interface NodeText {
  readonly name: string;
  /** Its JSON in UTF-8. */
  readonly text: string;
}

/** A tree blob of entries that are encoded already. */
export function joinTree(entries: readonly NodeText[]): Buffer {
  const sorted = entries.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  for (const [index, { name }] of sorted.entries()) {
    if (sorted[index + 1]?.name === name) throw invalidTree(`two entries ${Buffer.from(name, 'latin1').toString()}`);
  }
  return Buffer.from(`{"nodes":[${sorted.map(({ text }) => text).join(',')}]}\n`, 'latin1');
}

const ascii = /^[\0-\x7f]*$/;

function toLatin1(text: string): string {
  return ascii.test(text) ? text : Buffer.from(text).toString('latin1');
}

/** The entries of a tree blob. The bytes come from a store: whatever does not fit is `RepositoryCorrupt`. */
export function decodeTree(bytes: Uint8Array, id: BlobId): TreeNode[] {
  const what = `The tree ${id}`;
  const fields = parseObject(bytes, what);
  return within(what, () => {
    const nodes = (optional(fields, 'nodes', asArray) ?? []).map((value) => decodeNode(asObject(value, 'A node')));
    const names = new Set(nodes.map((node) => node.name.toString('latin1')));
    if (names.size < nodes.length) throw corrupt('Two entries have one name');
    return nodes;
  });
}

/** The order of fields and which are left out when empty is restic's: see FORMAT.md. */
export function encodeNode(node: TreeNode): NodeText {
  if (!isEntryName(node.name)) throw invalidTree(`not a name: ${JSON.stringify(node.name.toString())}`);
  const fields: string[] = [];
  const add = (name: string, json: string | undefined): void => {
    if (json !== undefined) fields.push(`"${name}":${json}`);
  };
  add('name', encodeName(node.name));
  add('type', `"${node.type}"`);
  add('mode', nonZero(toGoMode(node)));
  add('mtime', `"${formatTimeNs(node.mtimeNs)}"`);
  add('atime', `"${formatTimeNs(node.atimeNs)}"`);
  add('ctime', `"${formatTimeNs(node.ctimeNs)}"`);
  add('uid', String(node.uid));
  add('gid', String(node.gid));
  add('user', nonEmpty(node.user));
  add('group', nonEmpty(node.group));
  add('inode', nonZero(node.inode));
  add('device_id', nonZero(node.deviceId));
  add('size', nonZero(node.size));
  add('links', nonZero(node.links));
  if (node.linkTarget !== undefined && node.linkTarget.length > 0) {
    add('linktarget', jsonStringOfBytes(node.linkTarget));
    if (!isUtf8(node.linkTarget)) add('linktarget_raw', `"${node.linkTarget.toString('base64')}"`);
  }
  if (node.xattrs !== undefined && node.xattrs.length > 0) {
    add('extended_attributes', `[${node.xattrs.map(encodeXattr).join(',')}]`);
  }
  add('device', nonZero(node.rdev));
  add('content', node.content === undefined ? 'null' : JSON.stringify(node.content));
  add('subtree', nonEmpty(node.subtree));
  return { name: node.name.toString('latin1'), text: toLatin1(`{${fields.join(',')}}`) };
}

/** The same entry under another name. */
export function renameNode({ name, text }: NodeText, to: string): NodeText {
  const begin = (which: string): string => `{"name":${toLatin1(encodeName(Buffer.from(which, 'latin1')))}`;
  return { name: to, text: begin(to) + text.slice(begin(name).length) };
}

function encodeName(name: Buffer): string {
  return jsonString(quote(name));
}

function encodeXattr(xattr: Xattr): string {
  return `{"name":${jsonString(xattr.name)},"value":"${xattr.value.toString('base64')}"}`;
}

function nonZero(value: number | bigint | undefined): string | undefined {
  return value === undefined || value === 0 || value === 0n ? undefined : String(value);
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : jsonString(value);
}

function decodeNode(fields: Fields): TreeNode {
  const name = unquote(required(fields, 'name', asString));
  // A name with a slash or dots would let a hostile repository write outside the folder that is restored.
  if (!isEntryName(name)) throw corrupt(`Not the name of an entry: ${JSON.stringify(name.toString())}`);
  const type = required(fields, 'type', asNodeType);
  const time = (field: string): bigint => parseTimeNs(optional(fields, field, asString) ?? ZERO_TIME, field);
  const linkTarget = optional(fields, 'linktarget_raw', asBytes) ?? optional(fields, 'linktarget', asUtf8);
  if (linkTarget?.includes(0) === true) throw corrupt(`The target of the link ${quote(name)} has a zero byte`);
  const content = optional(fields, 'content', asBlobIds);
  const subtree = optional(fields, 'subtree', toBlobId);
  if (type === 'dir' && subtree === undefined) throw corrupt(`The directory ${quote(name)} has no tree`);
  if (type === 'symlink' && linkTarget === undefined) throw corrupt(`The link ${quote(name)} has no target`);
  return {
    name,
    type,
    mode: fromGoMode(optional(fields, 'mode', asUint32) ?? 0),
    mtimeNs: time('mtime'),
    atimeNs: time('atime'),
    ctimeNs: time('ctime'),
    uid: optional(fields, 'uid', asUint32) ?? 0,
    gid: optional(fields, 'gid', asUint32) ?? 0,
    inode: optional(fields, 'inode', asUint64) ?? 0n,
    deviceId: optional(fields, 'device_id', asUint64) ?? 0n,
    ...present('user', optional(fields, 'user', asString)),
    ...present('group', optional(fields, 'group', asString)),
    ...present('size', optional(fields, 'size', asCount) ?? (type === 'file' ? 0 : undefined)),
    ...present('links', optional(fields, 'links', asCount)),
    ...present('linkTarget', linkTarget),
    ...present('xattrs', optional(fields, 'extended_attributes', asXattrs)),
    ...present('rdev', optional(fields, 'device', asUint64)),
    ...present('content', content ?? (type === 'file' ? [] : undefined)),
    ...present('subtree', subtree),
  };
}

function present<Name extends keyof TreeNode>(name: Name, value: TreeNode[Name]): Partial<Pick<TreeNode, Name>> {
  return value === undefined ? {} : ({ [name]: value } as Pick<TreeNode, Name>);
}

function asNodeType(value: unknown, what: string): TreeNode['type'] {
  const type = asString(value, what);
  if (!Object.hasOwn(goTypeBits, type))
    throw corrupt(`A node has the unknown type ${JSON.stringify(type.slice(0, 40))}`);
  return type as TreeNode['type'];
}

function asUtf8(value: unknown, what: string): Buffer {
  return Buffer.from(asString(value, what), 'utf8');
}

function asBlobIds(value: unknown, what: string): BlobId[] {
  return asArray(value, what).map((id) => toBlobId(id, what));
}

function asXattrs(value: unknown, what: string): Xattr[] {
  return asArray(value, what).map((item) => {
    const fields = asObject(item, 'An extended attribute');
    const name = required(fields, 'name', asString);
    if (name.includes('\0')) throw corrupt(`The name of an extended attribute has a zero byte: ${name}`);
    return { name, value: optional(fields, 'value', asBytes) ?? Buffer.alloc(0) };
  });
}

function toGoMode(node: TreeNode): number {
  let mode = goTypeBits[node.type] + (node.mode & 0o777);
  for (const [bit, goBit] of specialBits) if ((node.mode & bit) !== 0) mode += goBit;
  return mode;
}

export function fromGoMode(goMode: number): number {
  let mode = goMode & 0o777;
  for (const [bit, goBit] of specialBits) if ((goMode & goBit) !== 0) mode += bit;
  return mode;
}

function isEntryName(name: Buffer): boolean {
  if (name.length > NAME_BYTES_MAX) return false;
  const text = name.toString('latin1');
  return text !== '' && text !== '.' && text !== '..' && !text.includes('/') && !text.includes('\0');
}

function invalidTree(message: string): SalvorError {
  return new SalvorError(`A directory cannot be saved: ${message}`, { code: 'InvalidInput' });
}
