import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, startGateway, type Gateway } from '#stores/s3/gateway.fixture';
import { SalvorError } from '#shared/errors';
import type { Benchmark, BenchmarkContext, BenchmarkReport } from '../benchmark.ts';
import { removeFolders } from '../measure/page-cache.ts';
import type { Contestant, Place } from './contestants/contestant.ts';
import { availableContestants } from './contestants/all.ts';
import { layOutMover } from './contestants/mover-bundle.ts';
import { ourNames } from './fairness.ts';
import { judgeResults, memoryGoal, namedPeers, ownPeaks } from './goals.ts';
import { parseMoverOptions, type MoverOptions } from './options.ts';
import { buildPeers, findPeers, type FoundPeers } from './peers.ts';
import { rowName, selectRows, type Selection } from './rows.ts';
import { runScenario, type Result } from './run-scenario.ts';
import { objectsGoals, objectsTable, runObjects } from './run-objects.ts';
import { resultTables } from './tables.ts';

/** The mover against restic, rustic and kopia. See bench/README.md. */
export const run: Benchmark = async (context) => {
  const options = parseMoverOptions(context.args);
  if (options.prepare) {
    await buildPeers(context);
    return { tables: [], goals: [], notes: ['The peers are built.'], results: [] };
  }
  const selected = selectRows(options.only);
  await mkdir(context.cache, { recursive: true });
  const work = await mkdtemp(join(context.cache, 'work-'));
  try {
    return await compare(context, options, { selected, work });
  } finally {
    removeFolders(work);
  }
};

interface Comparison {
  readonly selected: Selection;
  readonly work: string;
}

async function compare(
  context: BenchmarkContext,
  options: MoverOptions,
  { selected, work }: Comparison,
): Promise<BenchmarkReport> {
  const found = await findPeers(context, options.peers);
  const available = availableContestants(await layOutMover(join(work, 'app')), found.peers);
  const notes = [...found.notes];
  const { against } = options;
  const takesPart = ({ name }: Contestant): boolean => ourNames.includes(name) || (against?.includes(name) ?? true);
  const contestants = available.filter(takesPart);
  if (options.scale !== 1) notes.push(`The data is ${options.scale} times as large as the goals are meant for.`);
  const results: Result[] = [];
  for (const { scenario, phases } of selected.scenarios) {
    const folder = join(work, scenario.name);
    await mkdir(folder);
    await using store = await openPlaces(scenario.store, folder, found);
    const measured = await runScenario({
      scenario,
      phases,
      contestants: contestants.filter(({ name }) => scenario.contestants.includes(name)),
      runs: options.runs,
      scale: options.scale,
      work: folder,
      placeOf: store.placeOf,
      named: namedPeers,
      progress: context.progress,
      onFailure: (note) => notes.push(note),
      signal: context.signal,
    });
    results.push(...measured);
    removeFolders(folder);
  }
  const objects = selected.objects ? await runObjects({ work, runs: options.runs, ...context }) : [];
  const rows = selected.scenarios.flatMap(({ scenario, phases }) =>
    [...phases].map((phase) => rowName(scenario, phase)),
  );
  const compresses = (name: string): boolean => contestants.find((it) => it.name === name)?.compresses === true;
  return {
    tables: [...resultTables(results, selected.scenarios), ...(selected.objects ? [objectsTable(objects)] : [])],
    goals: [
      ...judgeResults(results, rows, compresses),
      ...objectsGoals(objects),
      memoryGoal([...ownPeaks(results), ...objects]),
    ],
    notes: [...notes, ...contestants.map(({ name, what }: Contestant) => `${name}: ${what}`)],
    results: [...results, ...objects],
  };
}

interface Places extends AsyncDisposable {
  readonly placeOf: (contestant: string) => Place;
}

/** A folder beside the data, or a bucket of a server that runs as long as the scenario. */
async function openPlaces(store: 'disk' | 's3', folder: string, { peers }: FoundPeers): Promise<Places> {
  if (store === 'disk') {
    return {
      placeOf: (contestant) => ({ kind: 'disk', path: join(folder, contestant, 'repository') }),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const server = peers.get('versitygw');
  if (server === undefined) {
    throw new SalvorError('Rows on S3 need versitygw, and it is not built', {
      code: 'Prerequisite',
      hint: 'Build it with: npm run lab -- images. Or give its path: --peer versitygw=PATH.',
    });
  }
  const gateway: Gateway = await startGateway(join(server.path, '..'));
  return {
    placeOf: (contestant) => ({
      kind: 'bucket',
      endpoint: gateway.endpoint,
      bucket: 'bucket',
      prefix: contestant,
      ...credentials,
      path: join(gateway.folder, 'bucket', contestant),
    }),
    [Symbol.asyncDispose]: gateway.stop,
  };
}
