import { changedBy } from '#classification/classify';
import { formatBytes } from '#shared/bytes';
import type { CliContext } from '../context.ts';
import { plain, plainTree } from '../output/plain.ts';
import { print } from '../output/print.ts';
import type { OutputFormat } from '../flags.ts';
import { findAsset } from '../scan/choose.ts';
import { scanReport } from '../scan/report.ts';
import type { AssetReport, ScanReport } from '../scan/report.ts';
import { takeSnapshot } from './scan.ts';
import type { SourceFlags } from './scan.ts';

export interface WhyFlags extends SourceFlags {
  readonly output: OutputFormat;
}

/** `salvor why ASSET`: the rule, what it rests on, and what would change it. */
export async function why(this: CliContext, flags: WhyFlags, name: string): Promise<void> {
  const report = scanReport(await takeSnapshot(this, flags), this.clock.now());
  const asset = findAsset(report, name);
  const usedBy = report.relations.filter(({ to, type }) => to === asset.id && type === 'uses');
  if (flags.output === 'table' || flags.output === 'wide') {
    this.process.stdout.write(`${explain(asset, report)}\n`);
    return;
  }
  const value = { ...asset, usedBy, changedBy: changedBy(asset.judgement) };
  await print(this, { value: plainTree(value), names: [plain(asset.id)], rows: [] }, flags.output);
}

/** Everything that is known of one asset, in the order in which it is doubted. */
function explain(asset: AssetReport, report: ScanReport): string {
  const { judgement } = asset;
  const size = asset.usedBytes ?? asset.sizeBytes;
  const usedBy = report.relations.filter(({ to, type }) => to === asset.id && type === 'uses');
  const others = asset.signs.filter((sign) => sign.evidence !== judgement.evidence);
  const lines = [
    field('Asset', asset.id),
    field('What', asset.title),
    ...(size === undefined ? [] : [field('Size', formatBytes(size))]),
    field(
      'Verdict',
      `${judgement.verdict}${judgement.of === undefined ? '' : ` of ${judgement.of}`}, ${judgement.confidence} confidence`,
    ),
    field('Why', judgement.reason),
    field('Rule', judgement.rule),
    ...judgement.evidence.map((one) => field('Evidence', evidenceText(one))),
    ...others.flatMap((sign) =>
      sign.evidence.slice(0, 1).map((one) => field('Also seen', `it ${sign.says} (${evidenceText(one)})`)),
    ),
    ...(asset.partOf === undefined ? [] : [field('Part of', asset.partOf)]),
    ...usedBy.map(({ from, evidence }) =>
      field('Used by', `${from}${evidence[0] === undefined ? '' : ` (${evidence[0].value})`}`),
    ),
    ...asset.protections.map((one) =>
      field('Protection', `${one.tool} ${one.namespace}/${one.by}, ${one.state}: ${one.reason}`),
    ),
    ...(asset.protections.length === 0 ? [field('Protection', 'none that was found')] : []),
    field('Changed by', changedBy(judgement)),
  ];
  return lines.join('\n');
}

function evidenceText({ object, namespace, field: path, value }: AssetReport['judgement']['evidence'][number]): string {
  return `${namespace === '' ? '' : `${namespace} `}${object} ${path}: ${value}`;
}

function field(name: string, value: string): string {
  return `${name.padEnd(12)}${plain(value)}`;
}
