import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dump } from 'js-yaml';
import { ensureBinaries } from '#lab/setup/binaries';
import { ensureDebianPackages } from '#lab/setup/debian';
import { textProgress } from '#lab/setup/progress';
import { mapLimit } from '#shared/async';
import { judge } from '../benchmark.ts';
import type { Benchmark, BenchmarkContext, Goal, Table } from '../benchmark.ts';
import { measure } from '../measure/command.ts';
import type { Usage } from '../measure/command.ts';
import { median } from '../measure/statistics.ts';
import { startApiServer } from './api-server.ts';
import type { ApiServer } from './api-server.ts';
import { namespacesOf, objectsOf } from './objects.ts';
import { parseScanOptions } from './options.ts';
import type { ScanOptions } from './options.ts';

const program = join(import.meta.dirname, '../../bin/salvor.ts');
const createsMax = 32;
const MB = 1e6;
const clusterSecondsMax = 15;
const folderSecondsMax = 5;
const peakMegabytesMax = 400;
/** Files of a namespace's applications, in manifests. */
const filesOf = (times: number): number => Math.max(1, Math.round(2_000 * times));

interface Result {
  readonly row: 'cluster' | 'folder';
  /** Times the size that the goals are meant for. */
  readonly times: number;
  readonly objects: number;
  readonly seconds: readonly number[];
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

/** `salvor scan` of a large cluster and of a large folder, and how time and memory grow. See bench/README.md. */
export const run: Benchmark = async (context) => {
  const options = parseScanOptions(context.args);
  const onProgress = textProgress(context.progress);
  await ensureDebianPackages({ packages: ['time'], onProgress, signal: context.signal });
  const binaries = await ensureBinaries({ cache: dirname(context.cache), onProgress, signal: context.signal });
  const kubelab = binaries.path('kubelab');
  await mkdir(context.cache, { recursive: true });
  const work = await mkdtemp(join(context.cache, 'work-'));
  try {
    const results = [
      ...(await scanClusters(context, options, { kubelab, work })),
      ...(await scanFolders(context, options, work)),
    ];
    const notes =
      options.scale === 1 ? [] : [`The data is ${options.scale} times as large as the goals are meant for.`];
    return { tables: [tableOf(results)], goals: results.flatMap(goalsOf), notes, results };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

interface ServerPlace {
  readonly kubelab: string;
  readonly work: string;
}

async function scanClusters(
  context: BenchmarkContext,
  { growth, runs, scale }: ScanOptions,
  { kubelab, work }: ServerPlace,
): Promise<Result[]> {
  await using server = await startApiServer(kubelab, join(work, 'server'), context.signal);
  const results: Result[] = [];
  let [namespaces, objects] = [0, 0];
  for (const times of growth) {
    const wanted = namespacesOf(times * scale);
    objects += await populate(context, server, { from: namespaces, to: wanted });
    namespaces = wanted;
    const command = [program, 'scan', '--kubeconfig', server.kubeconfig];
    results.push({ row: 'cluster', times, objects, ...(await measureRuns(context, command, { runs, work })) });
  }
  return results;
}

interface Namespaces {
  readonly from: number;
  readonly to: number;
}

async function populate(context: BenchmarkContext, server: ApiServer, { from, to }: Namespaces): Promise<number> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  let created = 0;
  await mapLimit(
    numbers,
    createsMax,
    async (number) => {
      for (const { path, body } of objectsOf(`bench-${number}`)) {
        await server.create(path, body);
        if (++created % 10_000 === 0) context.progress(`  ${created.toLocaleString('en')} objects made`);
      }
    },
    context.signal,
  );
  return created;
}

async function scanFolders(
  context: BenchmarkContext,
  { growth, runs, scale }: ScanOptions,
  work: string,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const times of growth) {
    const folder = join(work, `manifests-${times}`);
    const objects = await writeManifests(folder, filesOf(times * scale));
    const command = [program, 'scan', '--from', folder];
    results.push({ row: 'folder', times, objects, ...(await measureRuns(context, command, { runs, work })) });
    await rm(folder, { recursive: true });
  }
  return results;
}

/** A file per application, as repositories have them; answers the number of objects. */
async function writeManifests(folder: string, files: number): Promise<number> {
  let [written, objects] = [0, 0];
  for (let number = 0; written < files; number++) {
    const namespace = `bench-${number}`;
    await mkdir(join(folder, namespace), { recursive: true });
    const apps = new Map<string, string[]>();
    for (const { path, body } of objectsOf(namespace)) {
      const { metadata, ...rest } = body as {
        readonly metadata: { readonly name: string; readonly labels?: { readonly app: string } };
      };
      // Pods come from their StatefulSet.
      if (path.endsWith('/pods')) continue;
      const kind = kindOf[path.slice(path.lastIndexOf('/') + 1)];
      const apiVersion = path.startsWith('/apis/apps') ? 'apps/v1' : 'v1';
      const app = metadata.labels?.app ?? 'namespace';
      apps.set(app, [
        ...(apps.get(app) ?? []),
        dump({ apiVersion, kind, metadata: { namespace, ...metadata }, ...rest }),
      ]);
    }
    for (const [app, documents] of apps) {
      if (written++ >= files) break;
      objects += documents.length;
      await writeFile(join(folder, namespace, `${app}.yaml`), documents.join('---\n'));
    }
  }
  return objects;
}

const kindOf: Readonly<Record<string, string>> = {
  namespaces: 'Namespace',
  statefulsets: 'StatefulSet',
  persistentvolumeclaims: 'PersistentVolumeClaim',
  services: 'Service',
  secrets: 'Secret',
  configmaps: 'ConfigMap',
};

interface Runs {
  readonly runs: number;
  readonly work: string;
}

async function measureRuns(
  context: BenchmarkContext,
  command: readonly string[],
  { runs, work }: Runs,
): Promise<Pick<Result, 'seconds' | 'cpuSeconds' | 'peakMegabytes'>> {
  const usages: Usage[] = [];
  const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: work, TZ: 'UTC' };
  for (let round = 0; round < runs; round++) {
    const argv = [process.execPath, '--disable-warning=ExperimentalWarning', ...command] as const;
    const usage = await measure({ argv: [...argv] as [string, ...string[]], environment }, context.signal);
    context.progress(`  ${command.slice(1).join(' ')}: ${usage.wallSeconds.toFixed(2)} s`);
    usages.push(usage);
  }
  return {
    seconds: usages.map(({ wallSeconds }) => wallSeconds),
    cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakMegabytes: Math.max(...usages.map(({ peakBytes }) => peakBytes)) / MB,
  };
}

function tableOf(results: readonly Result[]): Table {
  return {
    title: 'salvor scan (1x: 500 namespaces with 10,000 pods, 5,000 claims and 30,500 other objects; 2,000 files)',
    rows: [
      ['WHAT', 'SIZE', 'OBJECTS', 'SECONDS', 'RUNS', 'CPU SECONDS', 'PEAK MB'],
      ...results.map(({ row, times, objects, seconds, cpuSeconds, peakMegabytes }) => [
        row,
        `${times}x`,
        objects.toLocaleString('en'),
        median(seconds).toFixed(2),
        seconds.map((value) => value.toFixed(1)).join(' '),
        cpuSeconds.toFixed(1),
        peakMegabytes.toFixed(0),
      ]),
    ],
  };
}

/** Goals are meant for one time the size; the rest shows how it grows. */
function goalsOf({ row, times, seconds, peakMegabytes }: Result): Goal[] {
  if (times !== 1) return [];
  const most = row === 'cluster' ? clusterSecondsMax : folderSecondsMax;
  const common = { must: 'stay under' } as const;
  return [
    judge({ ...common, name: `${row}: time of a scan`, unit: 's', goal: most, value: median(seconds) }),
    judge({ ...common, name: `${row}: peak memory`, unit: 'MB', goal: peakMegabytesMax, value: peakMegabytes }),
  ];
}
