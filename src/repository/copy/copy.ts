import { SalvorError } from '#shared/errors';
import { underLock } from '../care/access.ts';
import type { Access } from '../care/access.ts';
import { selectSnapshots } from '../care/forget.ts';
import { createCatalog } from '../catalog.ts';
import type { Catalog } from '../catalog.ts';
import { saveFile } from '../files.ts';
import type { Vault } from '../files.ts';
import { takeLock } from '../lock.ts';
import type { HeldLock } from '../lock.ts';
import type { Snapshot } from '../types.ts';
import { encodeAltered, originalOf } from './altered-snapshot.ts';
import type { WholeSnapshot } from './altered-snapshot.ts';
import { createCopier } from './copier.ts';
import { readSnapshots } from './read-snapshots.ts';
import type { ReadSnapshots } from './read-snapshots.ts';
import { createTarget } from './target.ts';

export interface CopyRequest {
  /** Ids of snapshots, or at least 8 digits of them; none for all. */
  readonly ids: readonly string[];
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CopyProgress {
  /** Snapshots that are copied, were there already, or cannot be copied. */
  readonly done: number;
  readonly total: number;
  /** Bytes that were written into packs of the target. */
  readonly bytes: number;
}

export interface CopyReport {
  readonly snapshots: readonly CopiedSnapshot[];
  readonly blobs: number;
  /** Bytes of these in the target, compressed and sealed. */
  readonly bytes: number;
}

export interface CopiedSnapshot {
  /** In the source. */
  readonly id: string;
  readonly time?: string;
  readonly state: 'copied' | 'there already' | 'failed';
  /** In the target, if it was copied now. */
  readonly copy?: string;
  /** Why it failed: what is damaged or missing in the source. */
  readonly why?: string;
}

/**
 * Copies snapshots and what they need into another repository, with another key. A snapshot is written when all that it
 * needs is stored and listed; one that the source does not have whole is told, and the others are copied. Whatever ends a
 * copy, the next one goes on with what reached the target.
 */
export async function copySnapshots(from: Access, to: Access, request: CopyRequest): Promise<CopyReport> {
  await using reading = await lockSource(from, request.signal);
  const signals = [request.signal, reading?.lost].filter((signal) => signal !== undefined);
  return await underLock(
    to,
    'shared',
    async ({ signal }) => copyLocked({ from, to, signal }, request),
    AbortSignal.any(signals),
  );
}

/** Who may only read can still copy: what a prune takes away meanwhile is then told as missing. */
async function lockSource(from: Access, signal: AbortSignal | undefined): Promise<HeldLock | undefined> {
  try {
    return await takeLock('shared', { ...from, signal });
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'StoreAccessDenied') return undefined;
    throw error;
  }
}

interface Ends {
  readonly from: Access;
  readonly to: Access;
  readonly signal: AbortSignal;
}

async function copyLocked({ from, to, signal }: Ends, request: CopyRequest): Promise<CopyReport> {
  const { chosen, failed } = choose(await readSnapshots(from.vault, signal), request.ids);
  const there = await readSnapshots(to.vault, signal);
  const present = new Set(there.whole.map(({ snapshot }) => likeness(snapshot)));
  await using sourceCatalog = await openCatalog(from.vault, signal);
  await using targetCatalog = await openCatalog(to.vault, signal);
  const target = createTarget(to, targetCatalog, signal);
  const results = [...failed];
  const tell = (): void =>
    request.onProgress?.({ done: results.length, total: chosen.length + failed.length, bytes: copier.bytes });
  const ends = { from: from.vault, to: to.vault, sourceCatalog, targetCatalog, target };
  const copier = createCopier({ ...ends, onBytes: tell, signal });
  const waiting: WholeSnapshot[] = [];
  const settle = async (): Promise<void> => {
    await copier.transfer();
    for (const whole of waiting.splice(0)) {
      const missing = await copier.findMissing(whole.snapshot.tree);
      results.push(await saveCopy(to.vault, whole, { missing, signal }));
      tell();
    }
  };
  for (const whole of chosen) {
    const { id, time, tree } = whole.snapshot;
    if (present.has(likeness(whole.snapshot))) {
      results.push({ id, time, state: 'there already' });
      continue;
    }
    await copier.collect(tree);
    waiting.push(whole);
    if (copier.isFull) await settle();
  }
  await settle();
  return { snapshots: results, blobs: copier.blobs, bytes: copier.bytes };
}

async function openCatalog(vault: Vault, signal: AbortSignal): Promise<Catalog> {
  const catalog = createCatalog(vault);
  await catalog.refresh(signal);
  return catalog;
}

interface Saving {
  /** What the target does not have of it. */
  readonly missing: string | undefined;
  readonly signal: AbortSignal;
}

async function saveCopy(to: Vault, whole: WholeSnapshot, { missing, signal }: Saving): Promise<CopiedSnapshot> {
  const { id, time } = whole.snapshot;
  if (missing !== undefined) return { id, time, state: 'failed', why: missing };
  return { id, time, state: 'copied', copy: await saveFile(to, 'snapshots', encodeAltered(whole), signal) };
}

interface Chosen {
  readonly chosen: readonly WholeSnapshot[];
  readonly failed: readonly CopiedSnapshot[];
}

function choose({ whole, damaged }: ReadSnapshots, ids: readonly string[]): Chosen {
  if (ids.length === 0) return { chosen: whole, failed: damaged.map((one) => ({ ...one, state: 'failed' })) };
  const selected = new Set(
    selectSnapshots(
      whole.map(({ snapshot }) => snapshot),
      ids,
    ),
  );
  return { chosen: whole.filter(({ snapshot }) => selected.has(snapshot)), failed: [] };
}

/** The same for a snapshot and its copies, as restic has it; one that was altered since is another. */
function likeness(snapshot: Snapshot): string {
  const { time, tree, hostname, username, uid, gid, paths, tags } = snapshot;
  return JSON.stringify([originalOf(snapshot), time, tree, hostname, username, uid, gid, paths, tags]);
}
