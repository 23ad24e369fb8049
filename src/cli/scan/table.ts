import { formatBytes } from '#shared/bytes';
import { plain } from '../output/plain.ts';
import { cutMiddle } from '../output/table.ts';
import { isCounted } from './report.ts';
import type { AssetReport, ScanReport, Standing } from './report.ts';

/** A terminal of this width shows a scan without breaking lines. */
const widthMax = 100;
const wideWidthMax = 200;
/** Files and kinds that could not be read, shown in a table; all of them are in -o json. */
const unseenShownMax = 5;
/** Findings that a table shows; all of them are in -o json and -o html. */
const findingsShownMax = 8;

const marks: Readonly<Record<Standing, string>> = {
  'at risk': '!',
  unknown: '?',
  partly: '~',
  protected: ' ',
  'nothing to do': ' ',
};
const ranks: readonly Standing[] = ['at risk', 'unknown', 'partly', 'protected', 'nothing to do'];

/** The report for people: what is at risk first, by application, within 100 columns. `wide` shows everything. */
export function scanTable(report: ScanReport, wide = false): string {
  const width = wide ? wideWidthMax : widthMax;
  const shown = report.assets.filter((asset) => wide || isCounted(asset));
  const groups = report.applications
    .map((application) => ({
      title: application.name,
      because: application.because,
      assets: shown.filter((asset) => application.namespaces.includes(asset.namespace)),
    }))
    .concat({ title: '(cluster)', because: [], assets: shown.filter((asset) => asset.namespace === '') })
    .filter((group) => group.assets.length > 0)
    .toSorted((a, b) => worst(a.assets) - worst(b.assets));
  const columns = columnsOf(width, shown, wide);
  const lines = [headline(report), ''];
  if (groups.length > 0) lines.push(heading(columns));
  for (const { title, because, assets } of groups) {
    lines.push(
      cutMiddle(plain(because.length === 0 ? title : `${title}  (proposed as one: ${because.join('; ')})`), width),
    );
    for (const asset of assets.toSorted(byRank)) lines.push(row(asset, columns, wide));
  }
  const folded = report.assets.length - shown.length;
  if (folded > 0)
    lines.push(
      '',
      cutMiddle(`${folded} more belong to a database above, or are temporary files: -o wide shows them.`, width),
    );
  return [...lines, ...findingLines(report, width), ...unseenLines(report, width)].join('\n');
}

/** What to do next, told on stderr. */
export function nextSteps(report: ScanReport): string {
  const first = report.assets.filter(isCounted).toSorted(byRank)[0];
  if (first === undefined)
    return report.totals.unseen === 0
      ? 'Nothing was found that holds data.'
      : 'Nothing that holds data was found in what could be seen.';
  const why = `Why?  salvor why ${plain(shortName(first))}`;
  return report.totals.atRisk + report.totals.unknown === 0
    ? `\n${why}`
    : `\n${why}          Protect what is at risk?  salvor scan --propose`;
}

/** How people name an asset: `shop/uploads`. */
function shortName(asset: Pick<AssetReport, 'namespace' | 'name'>): string {
  return asset.namespace === '' ? asset.name : `${asset.namespace}/${asset.name}`;
}

function headline({ source, totals, applications }: ScanReport): string {
  const what = [
    `${applications.length} application${applications.length === 1 ? '' : 's'}`,
    `${totals.assets} assets`,
    formatBytes(totals.bytes),
  ].join(', ');
  const counts = [
    `${totals.protected} protected`,
    ...(totals.partly > 0 ? [`${totals.partly} partly`] : []),
    `${totals.atRisk} AT RISK`,
    ...(totals.unknown > 0 ? [`${totals.unknown} UNKNOWN`] : []),
    `${totals.nothingToDo} need nothing`,
    ...(totals.unseen > 0
      ? [`${totals.unseen} ${totals.unseen === 1 ? 'kind or file' : 'kinds or files'} NOT SEEN`]
      : []),
  ].join('   ');
  return `${cutMiddle(plain(source), 40)}: ${what}.\n${counts}`;
}

interface Columns {
  readonly name: number;
  readonly what: number;
  readonly size: number;
  readonly verdict: number;
  readonly rest: number;
}

/** As wide as what is shown, within bounds; what protects an asset gets the rest. */
function columnsOf(width: number, assets: readonly AssetReport[], wide: boolean): Columns {
  const longest = (texts: readonly string[], most: number): number =>
    Math.min(most, Math.max(5, ...texts.map((text) => text.length)));
  const name = longest(
    assets.map((asset) => plain(asset.name)),
    wide ? 50 : 24,
  );
  const what = longest(assets.map(whatOf), wide ? 60 : 26);
  const [size, verdict] = [8, 11];
  return { name, what, size, verdict, rest: width - 4 - name - what - size - verdict - 4 };
}

/** The title with kinds as kubectl abbreviates them. */
function whatOf(asset: AssetReport): string {
  return plain(asset.title)
    .replaceAll('statefulset/', 'sts/')
    .replaceAll('deployment/', 'deploy/')
    .replaceAll('daemonset/', 'ds/');
}

function heading(columns: Columns): string {
  return `${' '.repeat(4)}${'ASSET'.padEnd(columns.name)} ${'WHAT'.padEnd(columns.what)} ${'SIZE'.padStart(columns.size)} ${'VERDICT'.padEnd(columns.verdict)} PROTECTED`.trimEnd();
}

function row(asset: AssetReport, columns: Columns, wide: boolean): string {
  const size = asset.usedBytes ?? asset.sizeBytes;
  const cells = [
    cutMiddle(plain(asset.name), columns.name).padEnd(columns.name),
    cutMiddle(whatOf(asset), columns.what).padEnd(columns.what),
    (size === undefined ? '-' : formatBytes(size)).padStart(columns.size),
    asset.judgement.verdict.padEnd(columns.verdict),
    cutMiddle(plain(protectedBy(asset, wide)), columns.rest),
  ];
  return `  ${marks[asset.standing]} ${cells.join(' ')}`.trimEnd();
}

/** What protects an asset, or why it needs nothing. */
export function protectedBy(asset: AssetReport, withReason: boolean): string {
  const { judgement, protections, standing } = asset;
  const because = withReason ? ` [${judgement.rule}: ${judgement.reason}]` : '';
  const best = protections.find((one) => one.state === 'full') ?? protections[0];
  switch (standing) {
    case 'protected':
      return `${best?.tool ?? ''} ${best?.by ?? ''}${because}`;
    case 'partly':
    case 'at risk':
      return `no: ${best?.reason ?? 'nothing selects it'}${because}`.replace(
        /^no/,
        standing === 'partly' ? 'partly' : 'no',
      );
    case 'unknown':
      return `no: ${judgement.reason}${withReason ? ` [${judgement.rule}]` : ''}`;
    case 'nothing to do':
      return `-${judgement.of === undefined ? '' : ` of ${nameOfId(judgement.of)}`}${because}`;
    default:
      return standing satisfies never;
  }
}

function nameOfId(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

/** What the rows do not say already. */
function findingLines({ findings }: ScanReport, width: number): string[] {
  const ranked = ['risk', 'warning', 'note'] as const;
  const told = findings
    .filter(({ name }) => name !== 'NotProtected' && name !== 'ScheduledButVolumeNotSelected')
    .toSorted((a, b) => ranked.indexOf(a.severity) - ranked.indexOf(b.severity));
  if (told.length === 0) return [];
  const shown = told
    .slice(0, findingsShownMax)
    .map(({ name, severity, message }) =>
      cutMiddle(`  ${severity === 'risk' ? '!' : ' '} ${name}: ${plain(message)}`, width),
    );
  const more = told.length > findingsShownMax ? [`  and ${told.length - findingsShownMax} more: -o json`] : [];
  return ['', 'Findings:', ...shown, ...more];
}

/** First what may hold data. */
function unseenLines(report: ScanReport, width: number): string[] {
  const unseen = report.unseen.toSorted((a, b) => (a.hides < b.hides ? -1 : a.hides > b.hides ? 1 : 0));
  if (unseen.length === 0) return [];
  const shown = unseen
    .slice(0, unseenShownMax)
    .map(({ what, reason }) => cutMiddle(`  ${plain(what)}: ${plain(reason)}`, width));
  const more = unseen.length > unseenShownMax ? [`  and ${unseen.length - unseenShownMax} more: -o json`] : [];
  return ['', 'Could not see, and what may hold data there counts as unknown:', ...shown, ...more];
}

function worst(assets: readonly AssetReport[]): number {
  return Math.min(...assets.map((asset) => ranks.indexOf(asset.standing)));
}

function byRank(a: AssetReport, b: AssetReport): number {
  return ranks.indexOf(a.standing) - ranks.indexOf(b.standing) || (a.id < b.id ? -1 : 1);
}
