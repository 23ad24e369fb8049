import { readdir } from 'node:fs/promises';
import { mapLimit } from '#shared/async';
import { splitTree, subtreeOf } from '#repository/tree-text';
import { encodeNode, joinTree, renameNode, type NodeText } from '#repository/tree';
import type { BlobId, BlobSource } from '#repository/types';
import type { ApartEntry, CapturedEntries, CapturedEntry } from './capture-entries.ts';
import type { Crew } from './capture-job.ts';
import { captureXattrs } from './capture-xattrs.ts';
import { openChild, sameState, treeDepthMax, type OpenDirectory } from '../directory.ts';
import type { Fork } from './forks.ts';
import { issueOf, type Issue, type Skipped } from '../issues.ts';
import { nodeOf } from '../metadata.ts';
import { printable } from '../names.ts';
import { errnoOf } from '../posix/libc.ts';
import { statOpen } from '../posix/stat.ts';
import type { Selection } from './scan-tree.ts';

/** Entries of one job: so many that asking and answering costs little, so few that threads share a directory. */
const batchNames = 256;
/** Batches and single large files of one directory that wait for threads. */
const jobsInFlight = 16;

/** One run over a source tree. */
export interface Capture {
  readonly crew: Crew;
  readonly fork: Fork;
  readonly select: Selection;
  /** Where the trees of the backup before are, if there was one. */
  readonly parent: Pick<BlobSource, 'loadBlob'> | undefined;
  readonly signal: AbortSignal;
  readonly saveTree: (tree: Buffer) => Promise<BlobId>;
  /** Inodes with several names that are not all seen yet. */
  readonly hardLinks: Map<string, LinkedInode>;
  /** Told of every answer of the crew. */
  readonly onAnswer: (answer: CapturedEntries) => void;
  /** Told of every entry that is captured whole: the right side of the ledger. */
  readonly onCaptured: (bytes: number) => void;
  readonly onIssue: (issue: Issue) => void;
  readonly onSkipped: (skipped: Skipped) => void;
}

interface LinkedInode {
  readonly found: Promise<Found>;
  namesLeft: number;
}

export interface Place {
  readonly directory: OpenDirectory;
  /** Relative to the root, as latin1. */
  readonly path: string;
  readonly depth: number;
}

export interface CapturedDirectory {
  readonly tree: BlobId;
  /** False if entries came or went meanwhile. */
  readonly complete: boolean;
}

/** Captures a directory: its entries by the crew, its subdirectories in the same way, then its tree. */
export async function captureDirectory(
  capture: Capture,
  place: Place,
  parentTree?: BlobId,
): Promise<CapturedDirectory> {
  const { fd } = place.directory;
  const before = statOpen(fd);
  const parents = await loadParents(capture, parentTree);
  const names = selectedNames(capture, place, await readdir(`/proc/self/fd/${fd}`, { encoding: 'latin1' }));
  const found = await captureNames(capture, place, { names, parents, all: false });
  const nodes: NodeText[] = [];
  const add = (entries: readonly CapturedEntry[]): void => {
    for (const { name, text, bytes, complete } of entries) {
      nodes.push({ name, text });
      if (complete) capture.onCaptured(bytes);
    }
  };
  add(found.captured);
  await mapLimit(
    found.apart,
    jobsInFlight,
    async (entry) => add(await captureApart(capture, place, { entry, parents })),
    capture.signal,
  );
  await capture.fork(
    found.directories.map((name) => async () => {
      add(await captureSubdirectory(capture, place, { name, parentTree: subtreeOf(parents.get(name)) }));
    }),
  );
  const complete = sameState(before, statOpen(fd));
  if (!complete) {
    const message = 'it changed while it was read; read a snapshot instead';
    capture.onIssue({ path: printable(Buffer.from(place.path, 'latin1')), code: 'ChangedWhileRead', message });
  }
  return { tree: await capture.saveTree(joinTree(nodes)), complete };
}

/** The names to be captured, in order. */
function selectedNames(capture: Capture, place: Place, names: readonly string[]): string[] {
  const skip = capture.select(place.path);
  if (skip.size === 0) return names.toSorted();
  for (const name of names) {
    const reason = skip.get(name);
    if (reason !== undefined) capture.onSkipped({ path: printable(bytesOf(pathIn(place, name))), reason });
  }
  return names.filter((name) => !skip.has(name)).toSorted();
}

interface Names {
  readonly names: readonly string[];
  readonly parents: ReadonlyMap<string, string>;
  readonly all: boolean;
}

async function captureNames(capture: Capture, place: Place, { names, parents, all }: Names): Promise<Found> {
  const batches = Array.from({ length: Math.ceil(names.length / batchNames) }, (_, batch) =>
    names.slice(batch * batchNames, (batch + 1) * batchNames),
  );
  const answers = await mapLimit(
    batches,
    jobsInFlight,
    async (batch) => {
      const answer = await capture.crew.run({
        kind: 'entries',
        directory: place.directory.fd,
        path: bytesOf(place.path),
        names: batch,
        parents: new Map(batch.flatMap((name) => entryOf(parents, name))),
        all,
      });
      capture.onAnswer(answer);
      return answer;
    },
    capture.signal,
  );
  return {
    captured: answers.flatMap(({ captured }) => captured),
    directories: answers.flatMap(({ directories }) => directories),
    apart: answers.flatMap(({ apart }) => apart),
  };
}

type Found = Pick<CapturedEntries, 'captured' | 'directories' | 'apart'>;

function entryOf(parents: ReadonlyMap<string, string>, name: string): [string, string][] {
  const text = parents.get(name);
  return text === undefined ? [] : [[name, text]];
}

interface Apart {
  readonly entry: ApartEntry;
  readonly parents: ReadonlyMap<string, string>;
}

/** A large file, or one name of an inode with several: the first captures, the others get its node under their name. */
async function captureApart(
  capture: Capture,
  place: Place,
  { entry, parents }: Apart,
): Promise<readonly CapturedEntry[]> {
  const { name, link } = entry;
  const once = async (): Promise<Found> => captureNames(capture, place, { names: [name], parents, all: true });
  if (link === undefined) return (await once()).captured;
  const linked = capture.hardLinks.get(link.inode) ?? { found: once(), namesLeft: link.names };
  linked.namesLeft--;
  if (linked.namesLeft === 0) capture.hardLinks.delete(link.inode);
  else capture.hardLinks.set(link.inode, linked);
  const { captured } = await linked.found;
  return captured.map((first) => ({ ...first, ...renameNode(first, name) }));
}

interface Child {
  readonly name: string;
  readonly parentTree: BlobId | undefined;
}

async function captureSubdirectory(
  capture: Capture,
  place: Place,
  { name, parentTree }: Child,
): Promise<readonly CapturedEntry[]> {
  const path = pathIn(place, name);
  if (place.depth === treeDepthMax) {
    const message = `directories are nested more than ${treeDepthMax} deep`;
    capture.onIssue({ path: printable(bytesOf(path)), code: 'TooDeep', message });
    return [];
  }
  try {
    await using directory = await openChild(place.directory, bytesOf(name));
    const stats = statOpen(directory.fd);
    const { xattrs, issues } = captureXattrs(directory.fd, () => bytesOf(path));
    for (const issue of issues) capture.onIssue(issue);
    const inside = await captureDirectory(capture, { directory, path, depth: place.depth + 1 }, parentTree);
    const node = encodeNode({ ...nodeOf(bytesOf(name), stats, xattrs), subtree: inside.tree });
    return [{ ...node, bytes: 0, complete: inside.complete && issues.length === 0 }];
  } catch (error) {
    capture.signal.throwIfAborted();
    const code = errnoOf(error);
    if (code === undefined) throw error;
    capture.onIssue(issueOf(bytesOf(path), code, error));
    return [];
  }
}

async function loadParents(capture: Capture, tree: BlobId | undefined): Promise<ReadonlyMap<string, string>> {
  if (capture.parent === undefined || tree === undefined) return new Map();
  try {
    return splitTree(await capture.parent.loadBlob('tree', tree, capture.signal));
  } catch {
    // The backup before only saves work: without it, everything is read.
    capture.signal.throwIfAborted();
    return new Map();
  }
}

function pathIn(place: Place, name: string): string {
  return place.path === '' ? name : `${place.path}/${name}`;
}

function bytesOf(latin1: string): Buffer {
  return Buffer.from(latin1, 'latin1');
}
