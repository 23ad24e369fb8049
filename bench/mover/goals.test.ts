import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeResults, memoryGoal, ownPeaks } from './goals.ts';
import type { Result } from './run-scenario.ts';

const compresses = (contestant: string): boolean => contestant !== 'kopia';

function result(row: string, contestant: string, seconds: readonly number[], megabytes = 100): Result {
  const runs = seconds.map((durableSeconds) => ({ durableSeconds, wallSeconds: 1, cpuSeconds: 1, peakBytes: 50e6 }));
  return { row, contestant, runs, repositoryBytes: megabytes * 1e6 };
}

test('a first backup is compared with the fastest peer that compresses, by the medians until all is durable', () => {
  const results = [
    result('big-first', 'salvor', [10, 30, 11]),
    result('big-first', 'restic-t', [40, 22, 20]),
    result('big-first', 'kopia-z', [30]),
    result('big-first', 'kopia', [1]),
  ];
  const [speed] = judgeResults(results, ['big-first'], compresses);
  assert.equal(speed?.name, 'big-first: salvor against fastest that compresses peer (restic-t)');
  assert.equal(speed?.value, 2);
  assert.equal(speed?.met, true);
});

test('a smaller repository of the peer misses the goal of size, not that of speed', () => {
  const results = [result('big-first', 'salvor', [1], 104), result('big-first', 'restic', [2], 100)];
  const [speed, size] = judgeResults(results, ['big-first'], compresses);
  assert.equal(speed?.met, true);
  assert.equal(size?.value, 1.04);
  assert.equal(size?.met, false);
});

test('a goal whose peer was not measured stays in the list as missed, and says why', () => {
  const goals = judgeResults([result('image-changed', 'salvor', [1])], ['image-changed'], compresses);
  for (const goal of goals.slice(0, 2)) {
    assert.equal(goal.value, null);
    assert.equal(goal.met, false);
    assert.equal(goal.note, 'no such peer was measured');
  }
});

test('a row of ours that was not measured misses its goals', () => {
  const goals = judgeResults([result('big-restore', 'restic', [3])], ['big-restore'], compresses);
  assert.deepEqual(
    goals.map(({ met, note }) => [met, note]),
    [[false, 'salvor was not measured']],
  );
  const memory = memoryGoal([]);
  assert.deepEqual([memory.met, memory.note], [false, 'nothing of ours was measured']);
});

test('the memory goal names the row of ours that took most', () => {
  const hungry = result('small-first', 'salvor', [1]);
  const results = [
    result('big-first', 'salvor', [1]),
    { ...hungry, runs: hungry.runs.map((usage) => ({ ...usage, peakBytes: 301e6 })) },
  ];
  const goal = memoryGoal(ownPeaks([...results, result('big-first', 'rustic', [1])]));
  assert.equal(goal.name, 'peak memory in every row (most: small-first)');
  assert.equal(goal.value, 301);
  assert.equal(goal.met, false);
});

test('rows that were not asked for have no goals', () => {
  assert.equal(judgeResults([], ['big-first'], compresses).length, 2);
  assert.deepEqual(judgeResults([result('big-first', 'salvor', [1])], [], compresses), []);
});
