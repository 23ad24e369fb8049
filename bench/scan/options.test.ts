import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScanOptions } from './options.ts';

test('without options a scan is measured at the size that the goals are meant for', () => {
  assert.deepEqual(parseScanOptions([]), { scale: 1, runs: 3, growth: [1] });
  assert.deepEqual(parseScanOptions(['--growth', '--runs', '1', '--scale', '0.1']), {
    scale: 0.1,
    runs: 1,
    growth: [1, 2, 4],
  });
});

test('what is not possible is named', () => {
  for (const args of [['--scale', '0'], ['--scale', 'x'], ['--runs', '0'], ['--runs', '1.5'], ['--what']])
    assert.throws(() => parseScanOptions(args), { code: 'Usage' });
});
