import { SalvorError } from '#shared/errors';
import { options } from '../files.ts';
import type { Vault } from '../files.ts';
import { packKey } from '../pack.ts';
import type { PackEntry } from '../pack.ts';
import { formatTimeNs } from '../rfc3339.ts';
import { loadSnapshots } from '../snapshot.ts';
import { underLock } from './access.ts';
import type { Access, Locked } from './access.ts';
import { othersAtWork } from './holders.ts';
import type { Holder } from './holders.ts';
import { listIndexFiles, readIndexFiles } from './index-files.ts';
import { addNeeded, noBlobs } from './needed-blobs.ts';
import { planPrune } from './prune-plan.ts';
import type { PruneLimits, PrunePlan } from './prune-plan.ts';
import { repack } from './repack.ts';
import { deleteAll, rewriteIndexes, writeMarks } from './rewrite-index.ts';
import { mayGo, sortMarks } from './sort-marks.ts';
import type { Sorted } from './sort-marks.ts';
import { survey } from './survey.ts';
import type { Survey } from './survey.ts';

/**
 * Removes what no snapshot needs, in two phases, without keeping writers out. Why this is safe, step by step:
 * docs/adr/0011-prune-in-two-phases.md.
 */

export interface PruneRequest extends PruneLimits {
  /** Takes restic's exclusive lock: nobody else can work meanwhile, and everything is done at once. */
  readonly exclusive: boolean;
  /** Says what would be done. */
  readonly dryRun: boolean;
  readonly onProgress?: ((progress: PruneProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneProgress {
  readonly phase: 'reading snapshots' | 'rewriting packs' | 'writing indexes' | 'deleting packs';
  readonly done: number;
  readonly total: number;
}

export interface PruneReport extends Omit<PrunePlan, 'remove' | 'repack' | 'rescue'> {
  readonly packs: number;
  /** Packs of which the needed rest was (or is to be) copied. */
  readonly repackedPacks: number;
  readonly rescuedPacks: number;
  /** Packs that no index listed. */
  readonly orphanPacks: number;
  readonly deletedPacks: number;
  readonly deletedBytes: number;
  /** Packs that are marked, to be deleted by a prune after the ones in `waitingFor` have ended. */
  readonly markedPacks: number;
  readonly markedBytes: number;
  readonly waitingFor: readonly string[];
  readonly indexFilesReplaced: number;
}

export async function pruneRepository(access: Access, request: PruneRequest): Promise<PruneReport> {
  if (!request.dryRun) await requireDelete(access.vault, request.signal);
  const mode = request.exclusive ? 'exclusive' : request.dryRun ? 'check' : 'prune';
  return underLock(access, mode, async (locked) => pruneLocked(access, request, locked), request.signal);
}

/**
 * Clocks of writers and of the store may differ by this much before packs are marked that a running writer has just
 * written. That would be safe, but until the next prune later backups would not use what they hold.
 */
const CLOCK_DIFFERENCE_MS_MAX = 3_600_000;

/** Objects that never are: whether they may be deleted tells whether others may. */
const probes = [`data/00/${'0'.repeat(64)}`, `index/${'0'.repeat(64)}`];

/** Finds out before anything is written: half a prune would only make the repository larger. */
export async function requireDelete(vault: Vault, signal?: AbortSignal): Promise<void> {
  try {
    for (const key of probes) await vault.store.delete(key, options(signal));
  } catch (error) {
    if (!(error instanceof SalvorError && error.code === 'StoreAccessDenied')) throw error;
    throw new SalvorError(`These credentials may not delete in ${vault.store.location}`, {
      code: 'StoreAccessDenied',
      hint: 'Nothing was changed. Give credentials with the right to delete, which writers need not have.',
      cause: error,
    });
  }
}

async function pruneLocked(access: Access, request: PruneRequest, locked: Locked): Promise<PruneReport> {
  const { vault } = access;
  const { signal, session } = locked;
  const tell = (phase: PruneProgress['phase'], done: number, total: number): void =>
    request.onProgress?.({ phase, done, total });
  // Before the snapshots are listed: what somebody wrote who has ended by now is seen.
  const before = await othersAtWork(access, session, signal);
  await using facts = await survey(vault, {
    newSinceMs: Math.min(...before.map((other) => other.startedMs)) - CLOCK_DIFFERENCE_MS_MAX,
    signal,
    onSnapshots: (done, total) => tell('reading snapshots', done, total),
  });
  const plan = planPrune(facts.packs, request);
  const sorted = sortMarks(facts, new Set(plan.rescue), before);
  if (request.dryRun) return reportOf(facts, plan, { waitingFor: before, marked: sorted.waiting });

  const repacked = await repack({
    vault,
    survey: facts,
    packs: new Set(plan.repack),
    onPack: (done, total) => tell('rewriting packs', done, total),
    signal,
  });
  tell('writing indexes', 0, 1);
  const drop = new Set([...plan.remove, ...repacked.done]);
  const rewritten = await rewriteIndexes({
    vault,
    indexFiles: facts.indexFiles,
    markFiles: sorted.replacedFiles,
    drop: drop.union(facts.gone),
    add: [...repacked.written, ...sorted.rescued],
    signal,
  });
  const dropped = rewritten.dropped.filter((pack) => drop.has(pack.id));
  const fresh = { indexed: [...sorted.unfinished, ...dropped], orphans: orphansOf(facts) };
  const marks = await markPacks({ access, sorted, fresh, before, signal });
  await deleteAll(vault, rewritten.replaced.map(keyOfIndex), signal);
  tell('writing indexes', 1, 1);
  const swept = await sweep({ access, facts, locked, marks, tell, own: [...rewritten.written, ...marks.files] });
  return reportOf(facts, plan, {
    ...swept,
    marked: [...swept.marked, ...sorted.waiting],
    waitingFor: swept.waitingFor.length > 0 ? swept.waitingFor : before,
    repacked: repacked.done.size,
    replaced: rewritten.replaced.length,
  });
}

function keyOfIndex(id: string): string {
  return `index/${id}`;
}

function orphansOf(facts: Survey): PackEntry[] {
  return facts.orphans.map(({ id }) => ({ id, blobs: [] }));
}

interface Marking {
  readonly access: Access;
  readonly sorted: Sorted;
  readonly fresh: { readonly indexed: readonly PackEntry[]; readonly orphans: readonly PackEntry[] };
  readonly before: readonly Holder[];
  readonly signal: AbortSignal;
}

/** Packs on their way out, and the index files that say so for now. */
interface Marked {
  /** Their writers have ended, of those of ours. */
  readonly ripe: readonly PackEntry[];
  /** Somebody who is at work may rely on them. */
  readonly fresh: readonly PackEntry[];
  readonly files: readonly string[];
  /** They are marked, and listed as well: they cannot go in this run. */
  readonly keepsFresh: boolean;
}

/**
 * Writes the marks. What may go in this run is no longer listed, so that whoever opens the repository from now on does
 * not see it; what cannot is listed on, so that restic can read it.
 */
async function markPacks({ access, sorted, fresh, before, signal }: Marking): Promise<Marked> {
  const { vault } = access;
  const time = nowOf(access);
  const keepsFresh = before.length > 0 && fresh.indexed.length > 0;
  const hidden = [...sorted.ripe, ...fresh.orphans, ...(keepsFresh ? [] : fresh.indexed)];
  const shown = keepsFresh ? fresh.indexed : [];
  const files = [
    ...(await writeMarks(vault, { packs: hidden, time }, 'not listed', signal)),
    ...(await writeMarks(vault, { packs: shown, time }, 'listed', signal)),
  ];
  return { ripe: sorted.ripe, fresh: [...fresh.indexed, ...fresh.orphans], files, keepsFresh };
}

interface Sweep {
  readonly access: Access;
  readonly facts: Survey;
  readonly locked: Locked;
  readonly marks: Marked;
  /** Index files that this run wrote. */
  readonly own: readonly string[];
  readonly tell: (phase: PruneProgress['phase'], done: number, total: number) => void;
}

interface Swept {
  readonly deleted: readonly PackEntry[];
  readonly marked: readonly PackEntry[];
  readonly late: number;
  readonly waitingFor: readonly Holder[];
}

/** Deletes the packs that nobody can need any more, and writes down for the others who has to end first. */
async function sweep({ access, facts, locked, marks, own, tell }: Sweep): Promise<Swept> {
  const { vault } = access;
  const { signal, session } = locked;
  if (marks.files.length === 0) return { deleted: [], marked: [], late: 0, waitingFor: [] };
  // After the indexes were replaced: whoever comes later does not see the packs that are to go.
  const others = await othersAtWork(access, session, signal);
  const going = mayGo(marks, others);
  const late = await neededLately(vault, { facts, own, going, signal });
  const deleted = going.filter((pack) => !late.packs.has(pack.id));
  tell('deleting packs', 0, deleted.length);
  await deleteAll(
    vault,
    deleted.map((pack) => packKey(pack.id)),
    signal,
  );
  tell('deleting packs', deleted.length, deleted.length);

  const isGoing = new Set(going.map((pack) => pack.id));
  const marked = [...marks.ripe, ...marks.fresh].filter(({ id }) => !isGoing.has(id) && !late.listed.has(id));
  const rescued = going.filter((pack) => late.packs.has(pack.id) && !late.listed.has(pack.id));
  const writers = others.map((other) => other.holder);
  await rewriteIndexes({ vault, indexFiles: [], markFiles: new Set(), drop: new Set(), add: rescued, signal });
  await writeMarks(vault, { packs: marked, writers, time: nowOf(access) }, 'listed', signal);
  await deleteAll(vault, marks.files.map(keyOfIndex), signal);
  return { deleted, marked, late: rescued.length, waitingFor: others };
}

interface Lately {
  /** Packs that must stay after all. */
  readonly packs: ReadonlySet<string>;
  /** Packs that an index lists which somebody wrote meanwhile. */
  readonly listed: ReadonlySet<string>;
}

interface LatelyRequest {
  readonly facts: Survey;
  readonly own: readonly string[];
  readonly going: readonly PackEntry[];
  readonly signal: AbortSignal;
}

/** What came about between the survey and the moment when the packs to go could no longer be seen. */
async function neededLately(vault: Vault, { facts, own, going, signal }: LatelyRequest): Promise<Lately> {
  if (going.length === 0) return { packs: new Set(), listed: new Set() };
  const { catalog, source } = facts;
  const snapshots = (await loadSnapshots(vault, signal)).filter(({ id }) => !facts.snapshots.has(id));
  await catalog.refresh(signal);
  const needed = noBlobs();
  await addNeeded(needed, snapshots, { catalog, source, signal });
  const packs = new Set<string>();
  for (const pack of going) {
    const isNeeded = pack.blobs.some(({ type, id }) => needed[type].has(id) && !catalog.has(type, id));
    if (isNeeded) packs.add(pack.id);
  }
  const known = new Set([...facts.indexFiles.map(({ id }) => id), ...own]);
  const listed = new Set<string>();
  const newer = new Set((await listIndexFiles(vault, signal)).keys()).difference(known);
  for await (const file of readIndexFiles(vault, newer, signal)) for (const pack of file.live) listed.add(pack.id);
  for (const pack of going) if (listed.has(pack.id)) packs.add(pack.id);
  return { packs, listed };
}

function nowOf({ clock }: Access): string {
  return formatTimeNs(BigInt(Math.trunc(clock.now())) * 1_000_000n);
}

interface Outcome extends Partial<Swept> {
  readonly waitingFor: readonly Holder[];
  readonly repacked?: number;
  readonly replaced?: number;
}

function reportOf(facts: Survey, plan: PrunePlan, outcome: Outcome): PruneReport {
  const { deleted = [], marked = [], late = 0, repacked = plan.repack.length, replaced = 0, waitingFor } = outcome;
  const { remove: _remove, repack: _repack, rescue, ...numbers } = plan;
  const sizes = new Map(facts.packs.map(({ id, bytes }) => [id, bytes]));
  for (const { id, bytes } of facts.orphans) sizes.set(id, bytes);
  const bytesOf = (packs: readonly PackEntry[]): number => packs.reduce((sum, { id }) => sum + (sizes.get(id) ?? 0), 0);
  return {
    ...numbers,
    packs: facts.packs.length,
    repackedPacks: repacked,
    rescuedPacks: rescue.length + late,
    orphanPacks: facts.orphans.length,
    deletedPacks: deleted.length,
    deletedBytes: bytesOf(deleted),
    markedPacks: marked.length,
    markedBytes: bytesOf(marked),
    waitingFor: marked.length === 0 ? [] : waitingFor.map(({ who }) => who),
    indexFilesReplaced: replaced,
  };
}
