import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { confusionTable, isMissed, isRight, scoreCorpus } from './score.ts';

const scored = await scoreCorpus(import.meta.dirname);
/** A rule that is wrong more often than this is no help. */
const rightShareMin = 0.9;

test('no asset of the corpus that must be protected is told to need nothing', () => {
  assert.deepEqual(
    scored
      .filter(isMissed)
      .map(
        ({ corpusCase, expected, found }) =>
          `${corpusCase} ${JSON.stringify(expected.match)}: ${found?.judgement.verdict ?? 'not found'}`,
      ),
    [],
  );
});

test('the corpus is judged as people labelled it', () => {
  assert.equal(scored.filter(isRight).length >= scored.length * rightShareMin, true, `\n${confusionTable(scored)}`);
});

test('the guide publishes the confusion table as it is', async () => {
  const guide = await readFile(new URL('../../docs/guide/scan.md', import.meta.url), 'utf8');
  const cells = (table: string): string[] => table.split(/[|\s]+/).filter((cell) => !/^:?-*:?$/.test(cell));
  const published = /<!-- corpus.*-->([^]*)<!-- \/corpus -->/.exec(guide)?.[1] ?? '';
  assert.deepEqual(cells(published), cells(confusionTable(scored)));
  assert.ok(guide.includes(`manifests of ${scored.length} assets`));
});
