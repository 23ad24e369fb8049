import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Goal } from '../benchmark.ts';
import type { Result } from './run-scenario.ts';

/** The benchmark itself on very little data, against Debian's restic: its numbers mean nothing, but it must not rot. */

test('every row of a scenario is measured, judged and checked, and nothing is left behind', async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'salvor-bench-test-'));
  t.after(() => rm(cache, { recursive: true }));
  const json = join(cache, 'report.json');
  const main = join(import.meta.dirname, '..', 'main.ts');
  const args = ['mover', '--only', 'small', '--scale', '0.002', '--runs', '1', '--json', json];
  const options = ['--disable-warning=ExperimentalWarning', main, ...args];
  const environment = { ...process.env, XDG_CACHE_HOME: cache };
  const { status, stderr } = spawnSync(process.execPath, options, { env: environment, encoding: 'utf8' });
  assert.equal(status, 3, stderr); // Goals without their peer are missed.
  const report = JSON.parse(await readFile(json, 'utf8')) as { goals: Goal[]; results: Result[]; notes: string[] };
  assert.deepEqual(
    report.results.map(({ row, contestant }) => `${row} ${contestant}`),
    ['first', 'changed', 'restore'].flatMap((phase) => [`small-${phase} salvor`, `small-${phase} restic`]),
  );
  for (const { runs, repositoryBytes } of report.results) {
    assert.ok(repositoryBytes > 100_000);
    assert.ok(
      runs.every(({ wallSeconds, cpuSeconds, peakBytes }) => wallSeconds > 0 && cpuSeconds > 0 && peakBytes > 1e6),
    );
  }
  assert.ok(report.goals.some(({ name, met }) => name.startsWith('small-first') && !met));
  assert.ok(report.notes.some((note) => note.startsWith('kopia was not measured')));
  assert.ok(!report.notes.some((note) => note.includes('failed') || note.includes('not right')));
  assert.deepEqual(await readdir(join(cache, 'salvor', 'bench')), []);
});
