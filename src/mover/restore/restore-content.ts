import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  type BigIntStats,
} from 'node:fs';
import { corrupt } from '#repository/corrupt';
import { blobId } from '#repository/ids';
import type { TreeNode } from '#repository/types';
import { applyToFile, type Metadata } from './apply-metadata.ts';
import { chunkBytesMin } from '../backup/chunker.ts';
import { hardLinkKey, isRestoredXattr } from '../metadata.ts';
import { errnoOf } from '../posix/libc.ts';
import type { WantOwner } from './restore-blobs.ts';
import type { Entry, Made, RestoreRun } from './restore-entries.ts';
import { EntryProblem } from './restore-report.ts';
import { contentBytes, contentTarget, wantContent, type ContentTarget } from './want-content.ts';
import { errorOf, failureOf, type Failure } from '../worker-pool.ts';
import { zeroBlobBytes } from './zero-blobs.ts';

const newFile = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const oldFile = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Makes a file, or leaves it to the thread that opens its one blob. Answers what further names of it need. */
export async function restoreFile(run: RestoreRun, entry: Entry): Promise<Made | undefined> {
  const { node, place } = entry;
  const content = node.content ?? [];
  // Before anything is written: a hostile tree must not fill the disk past the size it declares.
  const bytes = await contentBytes(run, content);
  if (bytes !== node.size) throw corrupt(`The content has ${bytes} bytes where the tree says ${node.size}`);
  const found = run.existing === 'resume' ? findOld(entry) : undefined;
  if (found === undefined && (await leaveToThread(run, entry))) return undefined;
  const fd = found === undefined ? openSync(place, newFile, 0o600) : openSync(place, oldFile);
  const file = openedFile(run, entry, { fd, found: found === undefined ? 'zeros' : 'part' });
  let stats: BigIntStats;
  try {
    stats = fstatSync(fd, { bigint: true });
    if (found !== undefined && found.ino !== stats.ino) throw replaced();
    if (stats.size !== BigInt(bytes)) ftruncateSync(fd, bytes);
  } catch (error) {
    file.target.failed(failureOf(error));
    return undefined;
  }
  if (found !== undefined && holdsSmall(fd, node)) file.target.written(0);
  else await wantContent(run, content, file.target);
  return { stats, addName: file.addName };
}

/** True if the file is one blob that is read and not known to be zeros, with one name. */
async function leaveToThread(run: RestoreRun, entry: Entry): Promise<boolean> {
  const { node, place } = entry;
  const [only, ...others] = node.content ?? [];
  if (only === undefined || others.length > 0 || hardLinkKey(node) !== undefined) return false;
  const blob = zeroBlobBytes(only) === undefined ? run.source.findBlob('data', only) : undefined;
  if (blob === undefined) return false;
  const target = { kind: 'new', path: place.toString('latin1'), metadata: metadataOf(node) } as const;
  await run.blobs.want({ blob, target, owner: newFileOwner(run, entry) });
  return true;
}

/** What an earlier run left: the file, whole or in part. Anything else in its place is not touched. */
function findOld({ node, place }: Entry): BigIntStats | undefined {
  let stats: BigIntStats;
  try {
    stats = lstatSync(place, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const isOurs = stats.isFile() && (stats.nlink === 1n || hardLinkKey(node) !== undefined);
  if (!isOurs) throw new EntryProblem('EEXIST', 'something that is not this file is in its place');
  return stats;
}

function replaced(): EntryProblem {
  return new EntryProblem('Replaced', 'it was replaced during the restore');
}

/** Small files are compared here: asking a thread would cost more. */
function holdsSmall(fd: number, { content = [], size = 0 }: TreeNode): boolean {
  if (content.length > 1 || size > chunkBytesMin) return false;
  const found = Buffer.allocUnsafe(size);
  if (readSync(fd, found, 0, size, 0) !== size) return false;
  return content.length === 0 || blobId(found) === content[0];
}

/** What travels to the thread, in memory of its own: a view would take along all that lies around it. */
function metadataOf({ type, mode, uid, gid, atimeNs, mtimeNs, xattrs = [] }: TreeNode): Metadata {
  const copied = xattrs.filter(isRestoredXattr).map(({ name, value }) => ({ name, value: new Uint8Array(value) }));
  return { type, mode, uid, gid, atimeNs, mtimeNs, ...(copied.length === 0 ? {} : { xattrs: copied }) };
}

function newFileOwner(run: RestoreRun, { node, path, directory }: Entry): WantOwner {
  directory.hold();
  return {
    written: () => {
      run.report.done(node);
      directory.release();
    },
    failed: (failure) => {
      directory.release();
      run.report.failed(path, errorOf(failure));
    },
    incomplete: (failure, step) => run.report.problems(path, [{ step, error: errorOf(failure) }]),
  };
}

/** A file that several blobs go into, or that has several names. */
interface OpenedFile {
  readonly target: ContentTarget;
  readonly addName: (path: Buffer) => void;
}

/** After the last part of its content the file gets its metadata and is closed. */
function openedFile(
  run: RestoreRun,
  { node, path, directory }: Entry,
  { fd, found }: Pick<ContentTarget, 'fd' | 'found'>,
): OpenedFile {
  const names = [path];
  let end: { readonly failure: Failure | undefined } | undefined;
  run.open.add(fd);
  directory.hold();
  const tell = (name: Buffer, failure: Failure | undefined): void => {
    if (failure === undefined) run.report.done(node);
    else run.report.failed(name, errorOf(failure));
  };
  const onEnd = (failure: Failure | undefined): void => {
    end = { failure };
    // What is not whole keeps the mode it was made with: nobody else can take it for the file.
    if (failure === undefined) run.report.problems(path, applyToFile(node, fd));
    run.open.delete(fd);
    closeSync(fd);
    directory.release();
    for (const name of names) tell(name, failure);
  };
  return {
    target: contentTarget({ fd, found, start: 0, report: run.report, onEnd }),
    addName: (name) => {
      if (end === undefined) names.push(name);
      else tell(name, end.failure);
    },
  };
}
