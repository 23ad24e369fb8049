import { SalvorError } from '#shared/errors';
import type { Clock } from '#shared/time';
import type { BlobId, Repository, TreeNode } from '#repository/types';
import type { Bandwidth } from '#stores/with-bandwidth';
import { createBackupCrew, type BackupCrew } from './backup/backup-crew.ts';
import { backupImage } from './backup/backup-image.ts';
import { backupTree } from './backup/backup-tree.ts';
import { readChangedExtents } from './backup/changed-extents.ts';
import type { Issue } from './issues.ts';
import { boundedProgress } from './progress.ts';
import {
  fitsMessage,
  formatMoverMessage,
  type BackupResult,
  type MoverMessage,
  type MoverProgress,
  type MoverResult,
  type RestoreResult,
} from './protocol.ts';
import { restoreImage } from './restore/restore-image.ts';
import { restoreTree, type RestoreTreeResult } from './restore/restore-tree.ts';
import type { BackupTask, MoverTask, RestoreTask } from './task.ts';
import { setPriorities } from './posix/priority.ts';
import { verifyImage } from './restore/verify-image.ts';
import { verifyTree, type VerifyTreeResult } from './restore/verify-tree.ts';

/** Where the repository is, and how fast it may be talked to. */
export interface RepositoryPlace {
  readonly location: string;
  readonly bandwidth?: Bandwidth;
}

export interface MoverDeps {
  /** Opens the task's store and the repository in it; both are closed when the repository is disposed. */
  readonly openRepository: (place: RepositoryPlace, signal: AbortSignal) => Promise<Repository>;
  /** Takes one line of the protocol, without its newline. */
  readonly write: (line: string) => void;
  readonly clock: Pick<Clock, 'now'>;
  /** Aborts when the mover shall stop: it gives up its lock and leaves nothing half-made visible. */
  readonly signal: AbortSignal;
}

/** Issues that are printed one by one; the others are in the totals. */
const printedIssuesMax = 100;

/**
 * Does one task and prints its course. A result is answered also if it is incomplete: its ledger, issues and
 * differences say so, and the caller decides. A backup writes no snapshot: whoever coordinates the assets of a recovery
 * point writes one for all.
 */
export async function runMover(task: MoverTask, deps: MoverDeps): Promise<MoverResult> {
  deps.signal.throwIfAborted();
  const print = (message: MoverMessage): void => deps.write(formatMoverMessage(message));
  // Before there are threads: they inherit it.
  if (task.limits !== undefined) setPriorities(task.limits);
  await using repository = await deps.openRepository(placeOf(task), deps.signal);
  await using lock = await repository.lock('shared', deps.signal);
  let issuesPrinted = 0;
  const run: Run = {
    repository,
    signal: AbortSignal.any([deps.signal, lock.lost]),
    onProgress: boundedProgress(deps.clock, (progress) => print({ message_type: 'progress', ...progress })),
    onIssue: (issue) => {
      if (issuesPrinted++ < printedIssuesMax) print({ message_type: 'issue', ...issue });
    },
  };
  if (task.kind === 'restore') return await restore(task, run);
  try {
    return await backup(task, run);
  } catch (error) {
    if (!lock.lost.aborted) await listUploaded(repository);
    throw error;
  }
}

/** A pod that is ended has 30 seconds by default. */
const lastWordsMs = 5_000;

/** What a backup that fails or is stopped has brought to the store, the next one uses. Why it failed is what matters. */
async function listUploaded(repository: Pick<Repository, 'indexStored'>): Promise<void> {
  await repository.indexStored(AbortSignal.timeout(lastWordsMs)).catch(() => undefined);
}

function placeOf({ store: { location }, limits }: MoverTask): RepositoryPlace {
  const { uploadBytesPerSecond, downloadBytesPerSecond } = limits ?? {};
  if (uploadBytesPerSecond === undefined && downloadBytesPerSecond === undefined) return { location };
  return { location, bandwidth: { uploadBytesPerSecond, downloadBytesPerSecond } };
}

interface Run {
  readonly repository: Repository;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoverProgress) => void;
  readonly onIssue: (issue: Issue) => void;
}

async function backup(task: BackupTask, run: Run): Promise<BackupResult> {
  const { repository, signal } = run;
  await using crew = await createBackupCrew({ repository, threads: task.threads, signal });
  const result = await (task.source === 'image' ? captureImage(task, run, crew) : captureTree(task, run, crew));
  await crew.flush();
  const whole: BackupResult = { kind: 'backup', asset: task.asset, ...result };
  return fitsMessage(result.node) ? whole : withoutRootXattrs(whole, run);
}

type Captured = Omit<BackupResult, 'kind' | 'asset'>;

async function captureImage(task: BackupTask, run: Run, crew: BackupCrew): Promise<Captured> {
  const { repository, signal, onProgress, onIssue } = run;
  const { path, parentTree, changed } = task;
  const common = { path, sink: repository, crew, signal, onProgress, onIssue };
  if (parentTree === undefined) return backupImage(common);
  const parent = { source: repository, tree: parentTree };
  if (changed === undefined) return backupImage({ ...common, parent });
  return backupImage({ ...common, parent, changed: async (bytes) => readChangedExtents(changed, bytes) });
}

async function captureTree(task: BackupTask, run: Run, crew: BackupCrew): Promise<Captured> {
  const { repository, signal } = run;
  const { planned: _, ...result } = await backupTree({
    root: task.path,
    sink: repository,
    crew,
    chunkerPolynomial: repository.chunkerPolynomial,
    signal,
    onProgress: run.onProgress,
    onIssue: run.onIssue,
    ...(task.parentTree === undefined ? {} : { parent: { source: repository, tree: task.parentTree } }),
    ...(task.exclude === undefined ? {} : { exclude: task.exclude }),
  });
  return result;
}

/** The root travels in the result, not in the repository: what does not fit there is lost, and must be told. */
function withoutRootXattrs(result: BackupResult, run: Run): BackupResult {
  const issue: Issue = {
    path: '.',
    code: 'XattrSize',
    message: 'the extended attributes of the root are too large to be kept',
  };
  run.onIssue(issue);
  const { xattrs: _, ...node } = result.node;
  return { ...result, node, issues: [issue, ...result.issues], issuesTotal: result.issuesTotal + 1 };
}

async function restore(task: RestoreTask, run: Run): Promise<RestoreResult> {
  const { repository, signal } = run;
  const found = await findTree(task, repository, signal);
  const { restored, verified } = await (task.target === 'image'
    ? restoreAsImage(task, run, found)
    : restoreAsTree(task, run, found));
  return {
    kind: 'restore',
    asset: task.asset,
    tree: found.tree,
    ...restored,
    verifiedItems: verified.items,
    verifiedBytes: verified.bytes,
    differences: verified.differences,
    differencesTotal: verified.differencesTotal,
  };
}

interface Restored {
  readonly restored: RestoreTreeResult;
  readonly verified: VerifyTreeResult;
}

async function restoreAsTree(task: RestoreTask, run: Run, { tree, node }: FoundTree): Promise<Restored> {
  const common = { source: run.repository, tree, target: task.path, signal: run.signal };
  const options = { ...common, ...threadsOf(task), ...(node === undefined ? {} : { node }) };
  const restored = await restoreTree({ ...options, existing: task.existing ?? 'refuse', ...restoring(run) });
  if (task.verify === 'none') return { restored, verified: nothingVerified };
  return { restored, verified: await verifyTree({ ...options, onProgress: verifying(run, restored) }) };
}

async function restoreAsImage(task: RestoreTask, run: Run, { tree, file }: FoundTree): Promise<Restored> {
  const image = file === undefined ? { tree } : { file };
  const options = { source: run.repository, image, target: task.path, signal: run.signal, ...threadsOf(task) };
  const restored = await restoreImage({ ...options, existing: task.existing ?? 'refuse', ...restoring(run) });
  if (task.verify === 'none') return { restored, verified: nothingVerified };
  return { restored, verified: await verifyImage({ ...options, onProgress: verifying(run, restored) }) };
}

function threadsOf({ threads }: RestoreTask): { readonly threads?: number } {
  return threads === undefined ? {} : { threads };
}

type Count = Pick<MoverProgress, 'items' | 'bytes'>;

function restoring({ onProgress, onIssue }: Run) {
  return { onIssue, onProgress: (progress: Count): void => onProgress({ phase: 'restore', ...progress }) };
}

function verifying({ onProgress }: Run, { items, bytes }: Count): (progress: Count) => void {
  return (progress) => onProgress({ phase: 'verify', ...progress, plannedItems: items, plannedBytes: bytes });
}

const nothingVerified: VerifyTreeResult = { items: 0, bytes: 0, differences: [], differencesTotal: 0 };

interface FoundTree {
  readonly tree: BlobId;
  readonly node?: TreeNode;
  /** What the path names, if it is one file: an image may be. */
  readonly file?: TreeNode;
}

/** Follows the path through the snapshot's directories, from its root. */
async function findTree(task: RestoreTask, repository: Repository, signal: AbortSignal): Promise<FoundTree> {
  if (task.tree !== undefined) return { tree: task.tree };
  const snapshots = await repository.snapshots(signal);
  const snapshot = snapshots.find(({ id }) => id === task.snapshot);
  if (snapshot === undefined) throw notFound(`There is no snapshot ${task.snapshot} in ${repository.location}`);
  let found: FoundTree = { tree: snapshot.tree };
  const names = (task.from ?? '/').split('/').filter((part) => part !== '');
  for (const [index, name] of names.entries()) {
    const nodes = await repository.loadTree(found.tree, signal);
    const file = nodes.find((entry) => entry.type === 'file' && entry.name.equals(Buffer.from(name)));
    if (file !== undefined && task.target === 'image' && index === names.length - 1) return { tree: found.tree, file };
    const node = nodes.find((entry) => entry.type === 'dir' && entry.name.equals(Buffer.from(name)));
    if (node?.subtree === undefined) throw notFound(`The snapshot ${snapshot.id} has no directory ${task.from}`);
    found = { tree: node.subtree, node };
  }
  return found;
}

function notFound(message: string): SalvorError {
  return new SalvorError(message, { code: 'NotFound', hint: 'Choose another recovery point.' });
}
