import { z } from 'zod';
import { exitCodeOf, messagesOf, SalvorError, type ErrorCode } from '#shared/errors';
import type { BlobId, TreeNode } from '#repository/types';
import type { TreeLedger } from './backup/tally.ts';
import { differenceKinds, type Difference } from './restore/differences.ts';
import type { Issue, Skipped } from './issues.ts';

/**
 * What a mover prints: one JSON object per line. The last one, a result or an error, is also left as the pod's
 * termination message. Readers get it from a pod log, so a line is input from outside.
 */
export type MoverMessage =
  | ({ readonly message_type: 'progress' } & MoverProgress)
  | ({ readonly message_type: 'issue' } & Issue)
  | { readonly message_type: 'result'; readonly result: MoverResult }
  | ({ readonly message_type: 'error' } & MoverError);

export interface MoverProgress {
  readonly phase: 'scan' | 'backup' | 'restore' | 'verify';
  readonly items: number;
  readonly bytes: number;
  readonly plannedItems?: number | undefined;
  readonly plannedBytes?: number | undefined;
}

/** Lists are cut to what fits the message; the totals count all. */
export type MoverResult = BackupResult | RestoreResult;

export interface BackupResult {
  readonly kind: 'backup';
  readonly asset: string;
  readonly tree: BlobId;
  /** The root of the asset with its metadata, `tree` as subtree, and an empty name for the caller to choose. */
  readonly node: TreeNode;
  /** Complete only if planned equals captured and there are no issues. */
  readonly ledger: TreeLedger;
  readonly newBytes: number;
  readonly storedBytes: number;
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
  readonly skipped: readonly Skipped[];
  readonly skippedTotal: number;
}

export interface RestoreResult {
  readonly kind: 'restore';
  readonly asset: string;
  readonly tree: BlobId;
  readonly items: number;
  readonly bytes: number;
  /** What was read back and compared with the repository after the restore. */
  readonly verifiedItems: number;
  readonly verifiedBytes: number;
  readonly issues: readonly Issue[];
  readonly issuesTotal: number;
  readonly differences: readonly Difference[];
  readonly differencesTotal: number;
}

export interface MoverError {
  readonly code: ErrorCode;
  /** The error and its causes. */
  readonly message: string;
  readonly hint?: string | undefined;
  readonly retryable: boolean;
}

/** Kubernetes cuts termination messages at 4096 bytes, which would leave half an object. */
export const terminationBytesMax = 4096;
/** Pod logs are read line by line: a longer line is not ours. */
export const lineBytesMax = 65_536;
/** One text inside a message; longer ones are cut in the middle. */
const textLengthMax = 500;

const count = z.number().int().nonnegative();
const text = z.string().max(2 * textLengthMax);
const blobId = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((id) => id as BlobId);
const nanoseconds = z
  .string()
  .regex(/^-?\d{1,25}$/)
  .transform(BigInt);
const unsigned = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt);
const base64 = z.base64().transform((value) => Buffer.from(value, 'base64'));

const nodeSchema = z.object({
  mode: z.number().int().min(0).max(0o7777),
  mtimeNs: nanoseconds,
  atimeNs: nanoseconds,
  ctimeNs: nanoseconds,
  uid: count,
  gid: count,
  inode: unsigned,
  xattrs: z.array(z.object({ name: z.string(), value: base64 })),
});

const issueFields = { path: text, code: text, message: text };
const issueSchema = z.object(issueFields);
const skippedSchema = z.object({ path: text, reason: text });
const differenceSchema = z.object({ path: text, what: z.enum(differenceKinds), expected: text, found: text });

const backupSchema = z
  .object({
    kind: z.literal('backup'),
    asset: text,
    tree: blobId,
    node: nodeSchema,
    ledger: z.object({ plannedItems: count, plannedBytes: count, capturedItems: count, capturedBytes: count }),
    newBytes: count,
    storedBytes: count,
    issues: z.array(issueSchema),
    issuesTotal: count,
    skipped: z.array(skippedSchema),
    skippedTotal: count,
  })
  .transform(({ node, ...result }): BackupResult => ({ ...result, node: nodeFrom(node, result.tree) }));

const restoreSchema = z.object({
  kind: z.literal('restore'),
  asset: text,
  tree: blobId,
  items: count,
  bytes: count,
  verifiedItems: count,
  verifiedBytes: count,
  issues: z.array(issueSchema),
  issuesTotal: count,
  differences: z.array(differenceSchema),
  differencesTotal: count,
});

const messageSchema = z.discriminatedUnion('message_type', [
  z.object({
    message_type: z.literal('progress'),
    phase: z.enum(['scan', 'backup', 'restore', 'verify']),
    items: count,
    bytes: count,
    plannedItems: count.optional(),
    plannedBytes: count.optional(),
  }),
  z.object({ message_type: z.literal('issue'), ...issueFields }),
  z.object({ message_type: z.literal('result'), result: z.union([backupSchema, restoreSchema]) }),
  z.object({
    message_type: z.literal('error'),
    code: z.string().refine(isErrorCode),
    message: text,
    hint: text.optional(),
    retryable: z.boolean(),
  }),
]);

/** Reads one line. Undefined for whatever is not a whole, valid message of a mover. */
export function parseMoverMessage(line: string): MoverMessage | undefined {
  if (line.length > lineBytesMax || Buffer.byteLength(line) > lineBytesMax) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = messageSchema.safeParse(value);
  return parsed.success ? (parsed.data as MoverMessage) : undefined;
}

/** One line, without the newline, of at most that many bytes: lists are shortened as far as needed. */
export function formatMoverMessage(message: MoverMessage, bytesMax = lineBytesMax): string {
  let shown = message;
  for (;;) {
    const line = JSON.stringify(shown, toWire);
    if (Buffer.byteLength(line) <= bytesMax) return line;
    const shorter = shorten(shown);
    if (shorter === undefined) {
      throw new SalvorError(`A mover message does not fit ${bytesMax} bytes`, { code: 'Internal' });
    }
    shown = shorter;
  }
}

/** An error as a message. */
export function moverError(error: unknown): MoverError {
  const salvor = error instanceof SalvorError ? error : undefined;
  return {
    code: salvor?.code ?? (exitCodeOf(error) === exitCodeOf(cancelled) ? 'Cancelled' : 'Internal'),
    message: messagesOf(error).join(': '),
    ...(salvor?.hint === undefined ? {} : { hint: salvor.hint }),
    retryable: salvor?.retryable ?? false,
  };
}

const cancelled = new SalvorError('The mover was stopped', { code: 'Cancelled' });

/** Xattrs of the root must fit a message beside the rest; beyond that they are reported as an issue. */
export function fitsMessage(node: TreeNode): boolean {
  return JSON.stringify(wireNode(node)).length <= terminationBytesMax / 2;
}

/** Drops half of the longest list, or of an error's text. */
function shorten(message: MoverMessage): MoverMessage | undefined {
  if (message.message_type === 'error' && message.message.length > 0) {
    const { hint: _, ...rest } = message;
    return { ...rest, message: message.message.slice(0, message.message.length / 2).toWellFormed() };
  }
  if (message.message_type !== 'result') return undefined;
  const { result } = message;
  const lists: Record<string, readonly unknown[]> =
    result.kind === 'backup'
      ? { issues: result.issues, skipped: result.skipped }
      : { issues: result.issues, differences: result.differences };
  const [longest] = Object.entries(lists).sort(([, left], [, right]) => right.length - left.length);
  if (longest === undefined || longest[1].length === 0) return undefined;
  const [name, list] = longest;
  return { ...message, result: { ...result, [name]: list.slice(0, Math.floor(list.length / 2)) } };
}

function toWire(key: string, value: unknown): unknown {
  if (typeof value === 'string') return key === xattrValueKey ? value : shortText(value);
  return key === 'node' ? wireNode(value as TreeNode) : value;
}

/** The end of a path says most, and so does the beginning of a message: both ends stay. */
function shortText(value: string): string {
  if (value.length <= textLengthMax) return value;
  const half = textLengthMax / 2 - 1;
  return `${value.slice(0, half)}…${value.slice(-half)}`.toWellFormed();
}

/** Values of extended attributes are not texts to be shortened. */
const xattrValueKey: keyof WireNode['xattrs'][number] = 'value';

type WireNode = z.input<typeof nodeSchema>;

function wireNode(node: TreeNode): WireNode {
  return {
    mode: node.mode,
    mtimeNs: String(node.mtimeNs),
    atimeNs: String(node.atimeNs),
    ctimeNs: String(node.ctimeNs),
    uid: node.uid,
    gid: node.gid,
    inode: String(node.inode),
    xattrs: (node.xattrs ?? []).map(({ name, value }) => ({ name, value: value.toString('base64') })),
  };
}

function nodeFrom(wire: z.output<typeof nodeSchema>, tree: BlobId): TreeNode {
  const { xattrs, ...fields } = wire;
  return {
    ...fields,
    name: Buffer.alloc(0),
    type: 'dir',
    deviceId: 0n,
    subtree: tree,
    ...(xattrs.length === 0 ? {} : { xattrs }),
  };
}

/** Codes are those of the table in src/shared/errors.ts; it answers a number for these only. */
function isErrorCode(code: string): boolean {
  return typeof exitCodeOf(new SalvorError('', { code: code as ErrorCode })) === 'number';
}
