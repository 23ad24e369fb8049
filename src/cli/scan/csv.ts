import { csvCell } from '../output/plain.ts';
import { protectedBy } from './table.ts';
import type { ScanReport } from './report.ts';

const heading = [
  'namespace',
  'application',
  'kind',
  'name',
  'engine',
  'version',
  'workload',
  'sizeBytes',
  'usedBytes',
  'verdict',
  'confidence',
  'rule',
  'reason',
  'of',
  'standing',
  'protected',
  'partOf',
];

/** Every asset, one a line, for a spreadsheet. */
export function scanCsv(report: ScanReport): string {
  const applicationOf = new Map(
    report.applications.flatMap(({ name, namespaces }) => namespaces.map((namespace) => [namespace, name])),
  );
  const rows = report.assets.map((asset) => [
    asset.namespace,
    applicationOf.get(asset.namespace) ?? '',
    asset.kind,
    asset.name,
    asset.engine?.name ?? '',
    asset.engine?.version ?? '',
    asset.workload ?? '',
    asset.sizeBytes === undefined ? '' : String(asset.sizeBytes),
    asset.usedBytes === undefined ? '' : String(asset.usedBytes),
    asset.judgement.verdict,
    asset.judgement.confidence,
    asset.judgement.rule,
    asset.judgement.reason,
    asset.judgement.of ?? '',
    asset.standing,
    protectedBy(asset, false),
    asset.partOf ?? '',
  ]);
  return `${[heading, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n')}\r\n`;
}
