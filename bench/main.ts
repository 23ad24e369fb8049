import { readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../lab/setup/inputs.mjs';
import { exitCodeOf, exitCodes, messagesOf, SalvorError } from '#shared/errors';
import type { Benchmark } from './benchmark.ts';
import { benchmarkJson, circumstances, formatBenchmark } from './report.ts';

/**
 * `npm run bench -- NAME [--json FILE] [OPTIONS OF THAT BENCHMARK]`: runs the benchmark of that folder. The exit code is 3
 * if a goal was missed or not measured.
 */

const root = join(import.meta.dirname, '..');
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new SalvorError('The benchmark was stopped', { code: 'Cancelled' })));

try {
  const { name, json, rest } = readCommandLine(process.argv.slice(2));
  const benchmark = await load(name);
  const report = await benchmark({
    args: rest,
    cache: join(cacheDirectory(process.env), 'bench'),
    environment: process.env,
    progress: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  });
  const where = circumstances(root, new Date());
  process.stdout.write(formatBenchmark(name, report, where));
  if (json !== undefined) await writeFile(json, benchmarkJson(name, report, where));
  process.exitCode = report.goals.every(({ met }) => met) ? exitCodes.ok : exitCodes.partial;
} catch (error) {
  const [what, ...why] = messagesOf(error);
  process.stderr.write(`\nError: ${what}\n${why.map((line) => `Why:   ${line}\n`).join('')}`);
  if (error instanceof SalvorError && error.hint !== undefined) process.stderr.write(`Do:    ${error.hint}\n`);
  process.exitCode = exitCodeOf(error);
}

/** Takes out what is the runner's own; the rest is for the benchmark to judge. */
function readCommandLine(argv: readonly string[]): { name: string; json: string | undefined; rest: string[] } {
  const [name = '', ...rest] = argv;
  const at = rest.indexOf('--json');
  if (at === -1) return { name, json: undefined, rest };
  const [, json] = rest.splice(at, 2);
  if (json === undefined) throw new SalvorError('--json needs a file', { code: 'Usage' });
  return { name, json, rest };
}

async function load(name: string): Promise<Benchmark> {
  const entry = (folder: string): string => join(import.meta.dirname, folder, 'index.ts');
  const folders = await readdir(import.meta.dirname, { withFileTypes: true });
  const names = folders.filter((folder) => folder.isDirectory() && existsSync(entry(folder.name))).map((it) => it.name);
  if (!names.includes(name)) {
    throw new SalvorError(name === '' ? 'No benchmark is named' : `There is no benchmark ${name}`, {
      code: 'Usage',
      hint: `Name one of: ${names.toSorted().join(', ')}. For instance: npm run bench -- ${names[0]}`,
    });
  }
  const { run } = (await import(entry(name))) as { run: Benchmark };
  return run;
}
