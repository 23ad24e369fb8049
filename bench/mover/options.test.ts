import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMoverOptions } from './options.ts';
import { selectRows } from './rows.ts';

const usage = { code: 'Usage' };

test('without options every local row is measured three times at full size', () => {
  const { only, runs, scale, peers, prepare } = parseMoverOptions([]);
  assert.deepEqual([only, runs, scale, peers.size, prepare], [undefined, 3, 1, 0, false]);
  assert.deepEqual(
    selectRows(only).scenarios.map(({ scenario }) => scenario.name),
    ['image', 'small', 'big'],
  );
});

test('peers are given by name and path', () => {
  const { peers } = parseMoverOptions(['--peer', 'restic=/opt/a=b/restic', '--peer', 'kopia=/opt/kopia']);
  assert.deepEqual(
    [...peers],
    [
      ['restic', '/opt/a=b/restic'],
      ['kopia', '/opt/kopia'],
    ],
  );
});

for (const args of [['--runs', '0'], ['--runs', '1.5'], ['--scale', '0'], ['--peer', 'restic'], ['--fast'], ['x']]) {
  test(`${args.join(' ')} is refused with the usage`, () => {
    assert.throws(() => parseMoverOptions(args), usage);
  });
}

test('rows are chosen by name or by the first part of it', () => {
  const chosen = (only: string[]) =>
    selectRows(only).scenarios.map(({ scenario, phases }) => [scenario.name, ...phases]);
  assert.deepEqual(chosen(['image-restore']), [['image', 'restore']]);
  assert.deepEqual(chosen(['big', 's3-small-first']), [
    ['big', 'first', 'restore'],
    ['s3-small', 'first'],
  ]);
  assert.equal(chosen(['growth']).length, 6);
});

test('small objects are measured unless other rows are asked for', () => {
  assert.equal(selectRows(undefined).objects, true);
  assert.equal(selectRows(['image']).objects, false);
  assert.deepEqual(selectRows(['objects']), { scenarios: [], objects: true });
});

test('a row that does not exist is refused, and the rows are named', () => {
  assert.throws(() => selectRows(['image', 'images']), /no row images/);
});
