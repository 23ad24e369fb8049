import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#shared/errors';
import type { Usage } from '../measure/command.ts';
import { folderBytes, makeDurable, removeFolders, settle } from '../measure/page-cache.ts';
import { compareRestored } from './compare.ts';
import type { Contestant, Entry, Place } from './contestants/contestant.ts';
import type { Extent, Source } from './data/source.ts';
import { staysIn } from './fairness.ts';
import { rowName, type Phase, type Selected } from './rows.ts';

/** One run. */
export interface Timing extends Usage {
  /** Until the program had ended and what it wrote was on the disk: some programs see to that, others leave it to chance. */
  readonly durableSeconds: number;
}

/** What one contestant needed in one row. */
export interface Result {
  readonly row: string;
  readonly contestant: string;
  /** One or more; fewer than asked for if it was clear after one that it is not among the fastest. */
  readonly runs: readonly Timing[];
  readonly repositoryBytes: number;
}

export interface ScenarioRequest extends Selected {
  readonly contestants: readonly Contestant[];
  readonly runs: number;
  readonly scale: number;
  /** An empty folder with room for the data, a repository of each contestant, and a restored copy. */
  readonly work: string;
  /** Where a contestant's repository lies. */
  readonly placeOf: (contestant: string) => Place;
  /** Contestants that a goal of the row names: they are measured as often as ours. */
  readonly named: (row: string) => readonly string[];
  readonly progress: (line: string) => void;
  readonly onFailure: (note: string) => void;
  readonly signal: AbortSignal;
}

/** A contestant in the course of a scenario. */
interface Runner {
  readonly contestant: Contestant;
  readonly folder: string;
  readonly place: Place;
  entry: Entry | undefined;
  /** What was written to the source since its last backup; undefined if nothing. */
  behind: Extent[] | undefined;
  failed: boolean;
}

/**
 * Measures the rows of a scenario: in each, everybody in turn, as often as asked for, never the same one first twice in
 * a row. Every restored copy is compared with the source, and what Salvor wrote is read by restic.
 */
export async function runScenario(request: ScenarioRequest): Promise<Result[]> {
  const { scenario, phases, work, progress } = request;
  progress(`${scenario.name}: ${scenario.what}`);
  const source = await scenario.make(join(work, 'source'), request.scale);
  const field = request.contestants.map((contestant) => newRunner(contestant, request));
  const lastPhase = scenario.phases.findLastIndex((phase) => phases.has(phase));
  const results: Result[] = [];
  for (const phase of scenario.phases.slice(0, lastPhase + 1)) {
    // Repositories have to be filled before anything else can be measured; the source need not change.
    if (!phases.has(phase) && phase !== 'first') continue;
    results.push(...(await runPhase(request, source, { phase, field })));
  }
  const wrong = await checkAll(request, field);
  return results.filter(({ contestant }) => !wrong.has(contestant));
}

/** Whose repository is not right has no results: speed is no use then. */
async function checkAll(request: ScenarioRequest, field: readonly Runner[]): Promise<ReadonlySet<string>> {
  const wrong = new Set<string>();
  for (const { contestant, entry } of field) {
    try {
      await entry?.check?.();
    } catch (error) {
      request.signal.throwIfAborted();
      request.onFailure(`What ${contestant.name} wrote is not right: ${messageOf(error)}`);
      wrong.add(contestant.name);
    }
  }
  return wrong;
}

function newRunner(contestant: Contestant, { work, placeOf }: ScenarioRequest): Runner {
  const folder = join(work, contestant.name);
  return { contestant, folder, place: placeOf(contestant.name), entry: undefined, behind: undefined, failed: false };
}

interface Round {
  readonly phase: Phase;
  readonly field: readonly Runner[];
}

async function runPhase(request: ScenarioRequest, source: Source, { phase, field }: Round): Promise<Result[]> {
  const { scenario, phases, signal } = request;
  const row = rowName(scenario, phase);
  const measured = phases.has(phase);
  const runs = new Map<string, Timing[]>(field.map(({ contestant }) => [contestant.name, []]));
  for (let round = 0; round < (measured ? request.runs : 1); round++) {
    if (phase === 'changed') await changeSource(source, field, round);
    for (const runner of rotated(field, round)) {
      const { name } = runner.contestant;
      const guest = scenario.only?.[name];
      if (runner.failed || (guest !== undefined && guest !== phase && (phase !== 'first' || round > 0))) continue;
      if (!staysIn(name, runs, request.named(row))) continue;
      await attempt(request, runner, row, async () => {
        const timing = await runOnce(request, source, runner, phase);
        if (!measured || (guest !== undefined && guest !== phase)) return;
        runs.get(name)?.push(timing);
        request.progress(`  ${row} ${name}: ${timing.durableSeconds.toFixed(2)} s`);
      });
      signal.throwIfAborted();
    }
  }
  const finished = field.filter(({ contestant }) => (runs.get(contestant.name) ?? []).length > 0);
  return Promise.all(
    finished.map(async ({ contestant: { name }, place }) => {
      return { row, contestant: name, runs: runs.get(name) ?? [], repositoryBytes: await folderBytes(place.path) };
    }),
  );
}

async function changeSource(source: Source, field: readonly Runner[], round: number): Promise<void> {
  const changed = await source.change(round);
  for (const runner of field) runner.behind = [...(runner.behind ?? []), ...changed];
}

async function runOnce(request: ScenarioRequest, source: Source, runner: Runner, phase: Phase): Promise<Timing> {
  const { signal } = request;
  if (phase === 'first') await enter(runner, source, signal);
  const { entry, place, behind } = runner as Runner & { entry: Entry };
  if (phase === 'restore') {
    if (behind !== undefined) await entry.backup(behind);
    runner.behind = undefined;
    await settle([place.path], signal);
    return restoreOnce(request, source, entry);
  }
  await settle([source.path], signal);
  const usage = await entry.backup(behind ?? []);
  runner.behind = undefined;
  return untilDurable(usage, place.path, signal);
}

async function untilDurable(usage: Usage, folder: string, signal: AbortSignal): Promise<Timing> {
  return { ...usage, durableSeconds: usage.wallSeconds + (await makeDurable(folder, signal)) };
}

/** Makes a new repository; one that was there is removed. */
async function enter(runner: Runner, source: Source, signal: AbortSignal): Promise<void> {
  const { contestant, folder, place } = runner;
  removeFolders(folder, place.path);
  await mkdir(folder, { recursive: true });
  runner.entry = await contestant.enter({ source, folder, place, signal });
}

async function restoreOnce({ work, signal }: ScenarioRequest, source: Source, entry: Entry): Promise<Timing> {
  const target = join(work, 'restored');
  await mkdir(target);
  try {
    const { path, ...usage } = await entry.restore(target);
    const timing = await untilDurable(usage, target, signal);
    await compareRestored(source, path, signal);
    return timing;
  } finally {
    removeFolders(target);
  }
}

/** A contestant that fails is out, and the report says why; the others go on. */
async function attempt(
  { onFailure, signal }: ScenarioRequest,
  runner: Runner,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    runner.failed = true;
    onFailure(`${runner.contestant.name} failed in ${what}: ${messageOf(error)}`);
  }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}
