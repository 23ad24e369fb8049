import type { Relation } from '#api/asset';
import { plain } from '../output/plain.ts';
import { isCounted } from './report.ts';
import type { AssetReport, ScanReport, Standing } from './report.ts';

const colours: Readonly<Record<Standing, string>> = {
  'at risk': '#d64545',
  unknown: '#d9822b',
  partly: '#c9a227',
  protected: '#3b8f5a',
  'nothing to do': '#8a94a0',
};

/** Who uses and holds what, for Graphviz. */
export function scanDot(report: ScanReport): string {
  const assets = report.assets.filter(isCounted);
  const ids = new Set<string>(assets.map((asset) => asset.id));
  const relations = report.relations.filter((relation) => ids.has(relation.to) && relation.type !== 'holds');
  const workloads = [...new Set(relations.map((relation) => relation.from).filter((from) => !ids.has(from)))];
  const cluster = ({ name, namespaces }: ScanReport['applications'][number], index: number): string[] => [
    `  subgraph cluster_${index} {`,
    `    label=${quote(name)};`,
    ...assets.filter((asset) => namespaces.includes(asset.namespace)).map((asset) => `    ${node(asset)}`),
    ...workloads
      .filter((workload) => namespaces.includes(workload.slice(0, workload.indexOf('/'))))
      .map(
        (workload) => `    ${quote(workload)} [label=${quote(workload.slice(workload.indexOf('/') + 1))}, shape=box];`,
      ),
    '  }',
  ];
  return [
    'digraph salvor {',
    '  rankdir=LR;',
    '  node [fontname="sans-serif", fontsize=10];',
    ...report.applications.flatMap(cluster),
    ...assets.filter((asset) => asset.namespace === '').map((asset) => `  ${node(asset)}`),
    ...relations.map(edge),
    '}',
    '',
  ].join('\n');
}

function node(asset: AssetReport): string {
  const label = `${asset.name}\n${asset.engine?.name ?? asset.kind}\n${asset.judgement.verdict}`;
  return `${quote(asset.id)} [label=${quote(label)}, shape=cylinder, color=${quote(colours[asset.standing])}];`;
}

function edge({ from, to, type }: Relation): string {
  return `  ${quote(from)} -> ${quote(to)} [style=${type === 'uses' ? 'solid' : 'dashed'}];`;
}

function quote(text: string): string {
  const lines = text.split('\n').map((line) =>
    plain(line)
      .replaceAll('\\', '\\\\')
      .replaceAll('"', String.raw`\"`),
  );
  return `"${lines.join(String.raw`\n`)}"`;
}
