import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Goal } from '../benchmark.ts';

/** The benchmark itself on very little data: its numbers mean nothing, but it must not rot. */

test('a cluster and a folder are made, scanned and judged', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'salvor-bench-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const json = join(folder, 'report.json');
  const main = join(import.meta.dirname, '..', 'main.ts');
  const args = ['scan', '--growth', '--scale', '0.004', '--runs', '1', '--json', json];
  const options = ['--disable-warning=ExperimentalWarning', main, ...args];
  const { status, stderr } = spawnSync(process.execPath, options, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const report = JSON.parse(await readFile(json, 'utf8')) as {
    goals: Goal[];
    results: { row: string; times: number; objects: number }[];
  };
  assert.deepEqual(
    report.results.map(({ row, times, objects }) => [row, times, objects]),
    [
      ['cluster', 1, 182],
      ['cluster', 2, 364],
      ['cluster', 4, 728],
      ['folder', 1, 50],
      ['folder', 2, 100],
      ['folder', 4, 206],
    ],
  );
  assert.equal(report.goals.length, 4);
});
