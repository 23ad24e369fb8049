import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutMiddle, formatTable } from './table.ts';

test('columns are padded, and nothing trails', () => {
  assert.equal(
    formatTable([
      ['NAME', 'AGE'],
      ['a-long-name', '1 s'],
    ]),
    'NAME          AGE\na-long-name   1 s',
  );
});

test('a table never grows beyond its width: the widest cells are cut in the middle', () => {
  const table = formatTable([
    ['NAME', 'WHY'],
    ['n'.repeat(80), 'w'.repeat(80)],
  ]);
  for (const line of table.split('\n')) assert.ok(line.length <= 100, line);
  assert.match(table, /…/);
});

test('both ends of a cut name stay', () => {
  assert.equal(cutMiddle('persistentvolumeclaim', 11), 'persi…claim');
});
