import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { load } from 'js-yaml';
import { z } from 'zod';
import { verdicts } from '#api/asset';
import type { Verdict } from '#api/asset';
import { scanReport } from '#cli/scan/report';
import type { AssetReport } from '#cli/scan/report';
import { snapshotOfManifests } from '#discovery/snapshot/manifests';
import { Readable } from 'node:stream';

/**
 * Scores the scan against labelled manifests: `tests/corpus/CASE/*.yaml` with `expected.yaml`. Run it to see the
 * confusion table: `node tests/corpus/score.ts`.
 */
const expectedSchema = z.object({
  assets: z.array(
    z.object({
      match: z.object({
        namespace: z.string().optional(),
        kind: z.string().optional(),
        name: z.string().optional(),
        claim: z.string().optional(),
      }),
      verdict: z.enum(verdicts),
      of: z.string().optional(),
      why: z.string(),
    }),
  ),
});
export type Expected = z.infer<typeof expectedSchema>['assets'][number];

export interface Scored {
  readonly corpusCase: string;
  readonly expected: Expected;
  /** What the scan found for it; missing if it found no such asset. */
  readonly found?: AssetReport | undefined;
}

/** Every labelled asset of the corpus with what the scan says of it. */
export async function scoreCorpus(folder: string): Promise<Scored[]> {
  const scored: Scored[] = [];
  for await (const file of glob('*/expected.y*ml', { cwd: folder })) {
    const corpusCase = path.dirname(file);
    const { assets } = expectedSchema.parse(load(await readFile(path.join(folder, file), 'utf8')));
    const snapshot = await snapshotOfManifests(
      path.join(folder, corpusCase),
      Readable.from([]),
      new AbortController().signal,
    );
    const report = scanReport(snapshot, Date.parse('2026-01-01T00:00:00Z'));
    for (const expected of assets)
      scored.push({ corpusCase, expected, found: assetFor(report.assets, expected.match) });
  }
  return scored.toSorted((a, b) => (a.corpusCase < b.corpusCase ? -1 : 1));
}

/** A label may also name the workload, which can have several volumes: an asset of that very name goes first. */
function assetFor(assets: readonly AssetReport[], match: Expected['match']): AssetReport | undefined {
  const fitting = assets.filter((asset) => fits(asset, match));
  return fitting.find(({ name, volume }) => match.name === name || match.name === volume?.claim) ?? fitting[0];
}

/** Whether MinIO is a database or a bucket is a matter of words. */
const servers: ReadonlySet<string> = new Set(['database', 'queue', 'bucket']);

function fits(asset: AssetReport, { namespace, kind, name, claim }: Expected['match']): boolean {
  const names = [
    asset.name,
    asset.volume?.claim,
    asset.volume?.persistentVolume,
    asset.volume?.volumeName,
    asset.host,
    asset.workload?.split('/')[1],
  ];
  return (
    (namespace === undefined || asset.namespace === namespace || asset.namespace === '') &&
    (kind === undefined ||
      asset.kind === kind ||
      (asset.engine !== undefined && servers.has(kind) && servers.has(asset.kind))) &&
    (name === undefined || asset.name === name || names.includes(name)) &&
    (claim === undefined || asset.volume?.claim === claim || asset.volume?.volumeName === claim)
  );
}

export function isRight({ expected, found }: Scored): boolean {
  if (found?.judgement.verdict !== expected.verdict) return false;
  return expected.of === undefined || found.judgement.of?.endsWith(`/${expected.of}`) === true;
}

/** The worst that can happen: data that must be kept is told to need nothing, or is not seen at all. */
export function isMissed({ expected, found }: Scored): boolean {
  return (
    expected.verdict === 'Protect' && found?.judgement.verdict !== 'Protect' && found?.judgement.verdict !== 'Unknown'
  );
}

/** Rows: what is right; columns: what the scan says. */
export function confusionTable(scored: readonly Scored[]): string {
  const columns: readonly (Verdict | 'not found')[] = [...verdicts, 'not found'];
  const cell = (row: Verdict, column: Verdict | 'not found'): number =>
    scored.filter(
      ({ expected, found }) => expected.verdict === row && (found?.judgement.verdict ?? 'not found') === column,
    ).length;
  const lines = verdicts.map((row) => `| ${row} | ${columns.map((column) => cell(row, column)).join(' | ')} |`);
  return [`| right \\ said | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---:').join('|')}|`, ...lines].join(
    '\n',
  );
}

if (import.meta.main) {
  const scored = await scoreCorpus(process.argv[2] ?? import.meta.dirname);
  const wrong = scored.filter((one) => !isRight(one));
  for (const { corpusCase, expected, found } of wrong)
    process.stdout.write(
      `${corpusCase}: ${JSON.stringify(expected.match)} is ${expected.verdict}${expected.of === undefined ? '' : ` of ${expected.of}`} (${expected.why})\n    said: ${found === undefined ? 'not found' : `${found.judgement.verdict} ${found.judgement.of ?? ''} [${found.judgement.rule}] ${found.judgement.reason}`}\n`,
    );
  process.stdout.write(
    `\n${confusionTable(scored)}\n\n${scored.length - wrong.length} of ${scored.length} right, ${scored.filter(isMissed).length} to protect were missed\n`,
  );
}
