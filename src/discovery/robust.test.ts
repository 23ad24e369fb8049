import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { loadAll } from 'js-yaml';
import { discover } from './discover.ts';
import { detectProtections } from './protection/protections.ts';
import { storeFindings } from './protection/stores.ts';
import { snapshotOfFiles } from './snapshot/manifests.ts';

/** Whole objects of many kinds to spoil: the labelled corpus. */
const corpus = fileURLToPath(new URL('../../tests/corpus', import.meta.url));
const objects: unknown[] = [];
for await (const file of glob('*/all.yaml', { cwd: corpus })) {
  const documents = loadAll(await readFile(`${corpus}/${file}`, 'utf8')) as { items?: unknown[] }[];
  objects.push(...documents.flatMap((document) => document.items ?? [document]));
}

const nowMs = Date.parse('2026-01-01T00:00:00Z');

/** Puts something else in place of one value somewhere in the object. */
function spoil(value: unknown, steps: readonly number[], other: unknown): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof value !== 'object' || value === null) return other;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return other;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  copy[key] = spoil(copy[key], rest, other);
  return copy;
}

test('an object with any field of any other type is scanned, and never throws', () => {
  const others = fc.oneof(
    fc.constantFrom(null, [], {}, '', 0, true, 'x', [null], [[]], { a: null }, -1, 1e300, 'a/b/c:d@e'),
    fc.jsonValue({ maxDepth: 2 }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.array(fc.nat(20), { maxLength: 9 }), others), { minLength: 1, maxLength: 30 }),
      (changes) => {
        const spoilt = [...objects];
        for (const [index, steps, other] of changes)
          spoilt[index % spoilt.length] = spoil(spoilt[index % spoilt.length], steps, other);
        const content = JSON.stringify({ kind: 'List', items: spoilt });
        const found = discover(snapshotOfFiles([{ path: 'a.json', content }]));
        detectProtections({ ...found, nowMs });
        storeFindings(found.index, found.services);
      },
    ),
    // Fixed, so that a failure belongs to the change that brought it.
    { numRuns: 150, seed: 20_261_125 },
  );
});
