import { isUtf8 } from 'node:buffer';
import { unquote } from './go-text.ts';
import { fromGoMode } from './tree.ts';
import type { BlobId } from './types.ts';

/**
 * A tree as it lies in the repository, taken apart into the texts of its entries: a backup that finds a file unchanged
 * puts the text of the backup before into the new tree, without decoding and encoding it.
 */

/** Begins every node after the first; in a string the quotes would be escaped, and in a list of attributes `value` follows the name. */
const nodeStart = /\{"name":"((?:[^"\\]|\\.)*)","type":"/g;

const head = '{"nodes":[';
const tail = ']}\n';

/**
 * The nodes by name, both as latin1 (a character per byte). Empty for a tree that is not written in the way of restic and
 * ours: nothing of it is reused then.
 */
export function splitTree(tree: Uint8Array): Map<string, string> {
  const text = Buffer.from(tree.buffer, tree.byteOffset, tree.byteLength).toString('latin1');
  const nodes = new Map<string, string>();
  if (!isUtf8(tree) || !text.startsWith(head) || !text.endsWith(tail)) return nodes;
  let name: string | undefined;
  let from = head.length;
  nodeStart.lastIndex = from;
  for (let match = nodeStart.exec(text); match !== null; match = nodeStart.exec(text)) {
    if (name !== undefined) nodes.set(name, text.slice(from, match.index - 1));
    from = match.index;
    name = bytesOfName(match[1] ?? '');
  }
  if (name !== undefined) nodes.set(name, text.slice(from, text.length - tail.length));
  return nodes;
}

/** The name's bytes, as latin1, from its JSON text, as latin1. */
function bytesOfName(json: string): string {
  if (!json.includes('\\')) return json;
  const quoted = JSON.parse(`"${Buffer.from(json, 'latin1').toString('utf8')}"`) as string;
  return unquote(quoted).toString('latin1');
}

/** What tells whether a file is still what it was. */
export interface FileText {
  /** As in stat(2), without the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** It has fields that only restic writes for a file with one name: names of users, the device. */
  readonly isForeign: boolean;
  /** As `formatTimeNs` writes them. */
  readonly mtime: string;
  readonly atime: string;
  readonly ctime: string;
  /** Decimal. */
  readonly inode: string;
  readonly size: number;
  readonly content: readonly BlobId[];
}

const string = String.raw`"(?:[^"\\\x00-\x1f]|\\["\\bfnrt]|\\u[0-9a-f]{4})*"`;
const attributeName = String.raw`"[^"\\\x00-\x1f]+"`;
const base64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const attribute = String.raw`\{"name":${attributeName},"value":"${base64}"\}`;
const time = String.raw`"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)"`;
const number = String.raw`(\d{1,10})`;
const long = String.raw`\d{1,19}`;
const id = '"[0-9a-f]{64}"';
/** A whole node with exactly the fields of a file, in their order, and nothing in them that could not be read again. */
const file = new RegExp(
  [
    String.raw`^\{"name":${string},"type":"file",(?:"mode":${number},)?"mtime":${time},"atime":${time},"ctime":${time},`,
    String.raw`"uid":${number},"gid":${number},("user":${string},)?("group":${string},)?(?:"inode":(${long}),)?`,
    String.raw`("device_id":${long},)?(?:"size":(\d{1,16}),)?(?:"links":${number},)?`,
    String.raw`(?:"extended_attributes":\[${attribute}(?:,${attribute})*\],)?"content":\[((?:${id}(?:,${id})*)?)\]\}$`,
  ].join(''),
);
const idStep = 64 + '"",'.length;

/** Reads a node's text, if it is that of a file and of nothing else. */
export function readFileText(text: string): FileText | undefined {
  const match = file.exec(text);
  if (match === null) return undefined;
  const [
    ,
    mode = '0',
    mtime = '',
    atime = '',
    ctime = '',
    uid,
    gid,
    user,
    group,
    inode = '0',
    device,
    size = '0',
    ,
    ids = '',
  ] = match;
  const content: BlobId[] = [];
  for (let at = 1; at < ids.length; at += idStep) content.push(ids.slice(at, at + 64) as BlobId);
  return {
    mode: fromGoMode(Number(mode)),
    uid: Number(uid),
    gid: Number(gid),
    isForeign: (user ?? group ?? device) !== undefined,
    mtime,
    atime,
    ctime,
    inode,
    size: Number(size),
    content,
  };
}

const subtree = /^\{"name":"(?:[^"\\]|\\.)*","type":"dir",.*"subtree":"([0-9a-f]{64})"\}$/;

/** The tree that a node's text refers to, if it is that of a directory. */
export function subtreeOf(text: string | undefined): BlobId | undefined {
  return text === undefined ? undefined : (subtree.exec(text)?.[1] as BlobId | undefined);
}
