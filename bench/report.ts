import { execFileSync } from 'node:child_process';
import { arch, cpus, release, totalmem } from 'node:os';
import { formatTable } from '#cli/output/table';
import type { BenchmarkReport, Goal } from './benchmark.ts';

/** Wider than a terminal rather than with numbers cut out. */
const tableWidthMax = 200;

/** Where and when numbers were measured: without it nobody can compare them. */
export interface Circumstances {
  readonly date: string;
  readonly commit: string;
  readonly node: string;
  readonly machine: string;
}

/** Of this process; `root` is the folder of the project. */
export function circumstances(root: string, now: Date): Circumstances {
  const [cpu] = cpus();
  const memory = `${(totalmem() / 1024 ** 3).toFixed(0)} GiB memory`;
  return {
    date: now.toISOString(),
    commit: commitOf(root),
    node: process.version,
    machine: `${cpus().length} x ${cpu?.model.trim() ?? arch()}, ${memory}, Linux ${release()}`,
  };
}

/** A source tree without history, as in an archive, has no commit. */
function commitOf(root: string): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with changes'}`;
  } catch {
    return 'unknown';
  }
}

/** The report for people: tables, goals, notes. */
export function formatBenchmark(name: string, report: BenchmarkReport, where: Circumstances): string {
  const sections = [
    `Benchmark ${name}, ${where.date}, ${where.commit}\n${where.machine}, Node ${where.node}`,
    ...report.tables.map(({ title, rows }) => `${title}\n${formatTable(rows, tableWidthMax)}`),
    ...(report.goals.length === 0 ? [] : [`Goals\n${formatTable(goalRows(report.goals), tableWidthMax)}`]),
    ...(report.notes.length === 0 ? [] : [`Notes\n${report.notes.map((note) => `- ${note}`).join('\n')}`]),
  ];
  return `${sections.join('\n\n')}\n`;
}

function goalRows(goals: readonly Goal[]): string[][] {
  return [
    ['GOAL', 'MUST', 'IS', 'MET', ''],
    ...goals.map(({ name, must, goal, unit, value, met, note }) => [
      name,
      `${must === 'reach' ? '>=' : '<'} ${formatNumber(goal)} ${unit}`,
      value === null ? 'not measured' : `${formatNumber(value)} ${unit}`,
      met ? 'yes' : 'NO',
      note ?? '',
    ]),
  ];
}

/** Three significant digits, or all of a whole number. */
export function formatNumber(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** The report for programs. */
export function benchmarkJson(name: string, report: BenchmarkReport, where: Circumstances): string {
  const { goals, notes, results } = report;
  return `${JSON.stringify({ benchmark: name, ...where, goals, notes, results }, null, 2)}\n`;
}
