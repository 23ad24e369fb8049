import { closeSync, constants, fstatSync, ftruncateSync, openSync, type BigIntStats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { corrupt } from '#repository/corrupt';
import { plainBytes } from '#repository/pack';
import type { BlobPlace } from '#repository/blob-index';
import type { BlobId, TreeNode } from '#repository/types';
import { applyToFile, type Metadata } from './apply-metadata.ts';
import { hardLinkKey, isRestoredXattr } from './metadata.ts';
import type { WantOwner } from './restore-blobs.ts';
import type { Entry, Made, RestoreRun } from './restore-entries.ts';
import { errorOf, failureOf, type Failure } from './worker-pool.ts';
import { isZeroBlob, zeroBlobBytes } from './zero-blobs.ts';

/** Blobs between two looks at signals and timers. */
const blobsBetweenPauses = 4096;

const newFile = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Makes a file, or leaves it to the thread that opens its one blob. Answers what further names of it need. */
export async function restoreFile(run: RestoreRun, entry: Entry): Promise<Made | undefined> {
  const { node, place } = entry;
  await checkSize(run, node);
  const [only] = node.content ?? [];
  const isAlone = node.content?.length === 1 && hardLinkKey(node) === undefined;
  const blob = isAlone && only !== undefined && !isZeroBlob(only) ? run.source.findBlob('data', only) : undefined;
  if (blob !== undefined) {
    const target = { kind: 'new', path: place.toString('latin1'), metadata: metadataOf(node) } as const;
    await run.blobs.want({ blob, target, owner: newFileOwner(run, entry) });
    return undefined;
  }
  const file = openedFile(run, entry, openSync(place, newFile, 0o600));
  let stats: BigIntStats;
  try {
    ftruncateSync(file.fd, node.size ?? 0);
    stats = fstatSync(file.fd, { bigint: true });
    await wantContent(run, node, file);
  } catch (error) {
    file.failed(failureOf(error));
    return undefined;
  }
  file.written(0);
  return { stats, addName: file.addName };
}

/** Before anything is written: a hostile tree must not fill the disk past the size it declares. */
async function checkSize(run: RestoreRun, node: TreeNode): Promise<void> {
  let bytes = 0;
  for (const [index, id] of (node.content ?? []).entries()) {
    await pauseAt(run, index);
    bytes += zeroBlobBytes(id) ?? plainBytes(knownBlob(run, id));
  }
  if (bytes !== node.size) throw corrupt(`The content has ${bytes} bytes where the tree says ${node.size}`);
}

function knownBlob(run: RestoreRun, id: BlobId): BlobPlace {
  const place = run.source.findBlob('data', id);
  if (place === undefined) throw corrupt(`The data blob ${id} is in no index`);
  return place;
}

async function pauseAt(run: RestoreRun, index: number): Promise<void> {
  if (index % blobsBetweenPauses !== 0 || index === 0) return;
  run.signal.throwIfAborted();
  await setImmediate();
}

async function wantContent(run: RestoreRun, node: TreeNode, file: OpenedFile): Promise<void> {
  let position = 0;
  for (const [index, id] of (node.content ?? []).entries()) {
    await pauseAt(run, index);
    const zeros = zeroBlobBytes(id);
    if (zeros !== undefined) {
      position += zeros;
      file.hold();
      file.written(zeros);
      continue;
    }
    const blob = knownBlob(run, id);
    const { fd } = file;
    file.hold();
    await run.blobs.want({ blob, target: { kind: 'open', fd, position, found: 'zeros', lock: fd }, owner: file });
    position += plainBytes(blob);
  }
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
interface OpenedFile extends WantOwner {
  readonly fd: number;
  readonly addName: (path: Buffer) => void;
  /** One more part to be written. After the last one the file gets its metadata and is closed. */
  hold(): void;
}

/** Held once, by the caller. */
function openedFile(run: RestoreRun, { node, path, directory }: Entry, fd: number): OpenedFile {
  const names = [path];
  let holders = 1;
  let underway = 0;
  let failure: Failure | undefined;
  run.open.add(fd);
  directory.hold();

  const tell = (name: Buffer): void => {
    if (failure === undefined) run.report.done(node);
    else run.report.failed(name, errorOf(failure));
  };
  const finish = (): void => {
    // What is not whole keeps the mode it was made with: nobody else can take it for the file.
    if (failure === undefined) run.report.problems(path, applyToFile(node, fd));
    run.open.delete(fd);
    closeSync(fd);
    directory.release();
    run.report.underway(-underway);
    for (const name of names) tell(name);
  };
  const release = (): void => {
    holders--;
    if (holders === 0) finish();
  };
  return {
    fd,
    addName: (name) => {
      if (holders === 0) tell(name);
      else names.push(name);
    },
    hold: () => {
      holders++;
    },
    written: (bytes) => {
      underway += bytes;
      run.report.underway(bytes);
      release();
    },
    failed: (reason) => {
      failure ??= reason;
      release();
    },
    incomplete: () => {},
  };
}
