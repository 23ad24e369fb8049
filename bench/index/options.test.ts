import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeIndex, encodeIndex } from '#repository/index-file';
import { parseIndexOptions } from './options.ts';
import { simulatedPacks } from './simulate.ts';

test('one and ten million blobs are measured, and a hundred if asked', () => {
  assert.deepEqual(parseIndexOptions([]), { sizes: [1, 10], runs: 3, restic: undefined });
  assert.deepEqual(parseIndexOptions(['--large', '--runs', '1', '--peer', 'restic=/opt/a=b']), {
    sizes: [1, 10, 100],
    runs: 1,
    restic: '/opt/a=b',
  });
});

for (const args of [['--runs', '0'], ['--peer', 'kopia=/k'], ['--peer', 'restic'], ['--fast'], ['x']]) {
  test(`${args.join(' ')} is refused with the usage`, () => {
    assert.throws(() => parseIndexOptions(args), { code: 'Usage', hint: /npm run bench/ });
  });
}

test('simulated index files are sound, the same again, and share no blob', () => {
  const packs = simulatedPacks(3);
  assert.deepEqual(simulatedPacks(3), packs);
  assert.deepEqual(decodeIndex(JSON.parse(encodeIndex(packs)) as Record<string, unknown>, 'it'), packs);
  const blobs = [...packs, ...simulatedPacks(4)].flatMap((pack) => pack.blobs.map(({ id }) => id));
  assert.equal(new Set(blobs).size, 100_000);
});
