import type { Table } from '../benchmark.ts';
import { median } from '../measure/statistics.ts';
import { medianSeconds, peakMegabytes } from './goals.ts';
import { rowName, type Selected } from './rows.ts';
import type { Result } from './run-scenario.ts';

const MB = 1e6;

/** A table for each row: the fastest first; how many times as long as ours everybody took; when its program had ended. */
export function resultTables(results: readonly Result[], selected: readonly Selected[]): Table[] {
  return selected.flatMap(({ scenario, phases }) =>
    [...phases].map((phase) => {
      const row = rowName(scenario, phase);
      const inRow = results.filter((result) => result.row === row).toSorted(byTime);
      return { title: `${row} (${scenario.what})`, rows: tableRows(inRow) };
    }),
  );
}

function tableRows(results: readonly Result[]): string[][] {
  const own = results.find(({ contestant }) => contestant === 'salvor');
  return [
    ['WHO', 'SECONDS', 'TIMES OURS', 'RUNS', 'ENDED AFTER', 'CPU SECONDS', 'PEAK MB', 'REPOSITORY MB'],
    ...results.map((result) => [
      result.contestant,
      medianSeconds(result).toFixed(2),
      own === undefined ? '-' : (medianSeconds(result) / medianSeconds(own)).toFixed(2),
      result.runs.map(({ durableSeconds }) => durableSeconds.toFixed(1)).join(' '),
      median(result.runs.map(({ wallSeconds }) => wallSeconds)).toFixed(2),
      median(result.runs.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
      peakMegabytes(result).toFixed(0),
      (result.repositoryBytes / MB).toFixed(0),
    ]),
  ];
}

function byTime(left: Result, right: Result): number {
  return medianSeconds(left) - medianSeconds(right);
}
