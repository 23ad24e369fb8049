import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { moverEnvironment } from '#lab/setup/images';
import { judge, type Goal, type Table } from '../benchmark.ts';
import { measure } from '../measure/command.ts';
import { settle } from '../measure/page-cache.ts';
import { median } from '../measure/statistics.ts';
import { baseEnvironment, type Place } from './contestants/contestant.ts';
import { makeRepository } from './contestants/salvor-repository.ts';
import type { How } from './objects-program.ts';

/** Rows of small objects: nobody else stores them, so there is a number to reach and no ratio. */
const rows: readonly { readonly name: string; readonly count: number; readonly how: How }[] = [
  { name: 'objects-4000', count: 4_000, how: 'manifests' },
  { name: 'objects-40000', count: 40_000, how: 'manifests' },
  { name: 'objects-captured', count: 4_000, how: 'captured' },
];

const objectsPerSecondMin = 20_000;
const MB = 1e6;

export interface ObjectsResult {
  readonly row: string;
  readonly objectsPerSecond: number;
  readonly seconds: readonly number[];
  readonly peakMegabytes: number;
}

export interface ObjectsRequest {
  readonly work: string;
  readonly runs: number;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Measures all rows, each run into a new repository on disk. */
export async function runObjects({ work, runs, progress, signal }: ObjectsRequest): Promise<ObjectsResult[]> {
  const results: ObjectsResult[] = [];
  for (const { name, count, how } of rows) {
    const seconds: number[] = [];
    let peakBytes = 0;
    for (let run = 0; run < runs; run++) {
      const place: Place = { kind: 'disk', path: join(work, 'repository') };
      await mkdir(place.path, { recursive: true });
      await makeRepository(place, signal);
      await settle([], signal);
      const program = join(import.meta.dirname, 'objects-program.ts');
      const options = ['--disable-warning=ExperimentalWarning', program, place.path, String(count), how];
      const environment = { ...baseEnvironment(work), ...moverEnvironment };
      const usage = await measure({ argv: [process.execPath, ...options], environment }, signal);
      seconds.push(Number(usage.stdout));
      peakBytes = Math.max(peakBytes, usage.peakBytes);
      await rm(place.path, { recursive: true });
      progress(`  ${name}: ${(count / Number(usage.stdout)).toFixed(0)} objects/s`);
    }
    results.push({ row: name, objectsPerSecond: count / median(seconds), seconds, peakMegabytes: peakBytes / MB });
  }
  return results;
}

export function objectsTable(results: readonly ObjectsResult[]): Table {
  return {
    title: 'objects (4,000 and 40,000 manifests as text, and 4,000 as a backup captures them, YAML included)',
    rows: [
      ['ROW', 'OBJECTS/S', 'RUNS', 'PEAK MB'],
      ...results.map(({ row, objectsPerSecond, seconds, peakMegabytes }) => [
        row,
        objectsPerSecond.toFixed(0),
        seconds.map((value) => value.toFixed(2)).join(' '),
        peakMegabytes.toFixed(0),
      ]),
    ],
  };
}

/** What only goes through the repository has a goal; YAML is made by JavaScript. */
export function objectsGoals(results: readonly ObjectsResult[]): Goal[] {
  return results
    .filter(({ row }) => row !== 'objects-captured')
    .map(({ row, objectsPerSecond }) =>
      judge({
        name: `${row}: manifests stored`,
        unit: 'objects/s',
        must: 'reach',
        goal: objectsPerSecondMin,
        value: objectsPerSecond,
      }),
    );
}
