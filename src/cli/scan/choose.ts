import type { AssetId, Unseen } from '#api/asset';
import { SalvorError } from '#shared/errors';
import { withTotals } from './report.ts';
import type { AssetReport, ScanReport } from './report.ts';

/** Only some of what was found. */
export interface Choice {
  readonly namespace?: string | undefined;
  /** `app=shop,tier!=cache,critical`, as in kubectl. */
  readonly selector?: string | undefined;
  /** Assets that were there before: `--baseline`. */
  readonly known?: ReadonlySet<string> | undefined;
}

/** The report over the chosen assets, counted anew. */
export function choose(report: ScanReport, { namespace, selector, known }: Choice): ScanReport {
  if (namespace === undefined && selector === undefined && known === undefined) return report;
  const selects = selector === undefined ? () => true : labelSelector(selector);
  const assets = report.assets.filter(
    (asset) =>
      (namespace === undefined || asset.namespace === namespace) &&
      selects(asset.volume?.labels ?? {}) &&
      known?.has(baselineKey(asset)) !== true,
  );
  const ids = new Set<string>(assets.map((asset) => asset.id));
  const namespaces = new Set(assets.map((asset) => asset.namespace));
  return withTotals({
    ...report,
    assets,
    applications: report.applications.filter((application) =>
      application.namespaces.some((one) => namespaces.has(one)),
    ),
    relations: report.relations.filter((relation) => ids.has(relation.to)),
    unseen: report.unseen.filter((one) => known?.has(unseenKey(one)) !== true),
    findings: report.findings.filter((finding) => finding.asset === undefined || ids.has(finding.asset)),
  });
}

/** What must change for an asset to be told again: it is another one, or is judged or protected otherwise. */
export function baselineKey({ id, judgement, standing }: Pick<AssetReport, 'id' | 'judgement' | 'standing'>): string {
  return `${id}|${judgement.verdict}|${standing}`;
}

function unseenKey({ what }: Pick<Unseen, 'what'>): string {
  return `unseen|${what}`;
}

/** What an earlier report (`salvor scan -o json`) holds. Throws `InvalidInput` if it is none. */
export function readBaseline(file: string, content: string): ReadonlySet<string> {
  const refuse = (why: string): SalvorError =>
    new SalvorError(`${file} is no report of a scan: ${why}`, {
      code: 'InvalidInput',
      hint: 'Make one with: salvor scan -o json > baseline.json',
    });
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw refuse('it is no JSON');
  }
  const { kind, assets, unseen } = (value ?? {}) as { kind?: unknown; assets?: unknown; unseen?: unknown };
  if (kind !== 'ScanReport' || !Array.isArray(assets)) throw refuse('it has no assets');
  return new Set([
    ...(assets as AssetReport[]).flatMap((asset) =>
      typeof asset?.id === 'string' && typeof asset.judgement?.verdict === 'string' ? [baselineKey(asset)] : [],
    ),
    ...(Array.isArray(unseen) ? (unseen as Unseen[]).flatMap((one) => (one?.what ? [unseenKey(one)] : [])) : []),
  ]);
}

/** An asset by what a person calls it: `shop/uploads`, `uploads`, or its whole id. Throws `NotFound`, or `Usage` if several fit. */
export function findAsset(report: ScanReport, wanted: string): AssetReport {
  const byId = report.assets.find((asset) => asset.id === (wanted as AssetId));
  if (byId !== undefined) return byId;
  const fits = report.assets.filter(
    (asset) => `${asset.namespace}/${asset.name}` === wanted || asset.name === wanted || asset.volume?.claim === wanted,
  );
  // A database and its volume may share a name: the database is meant.
  const chosen = fits.length > 1 ? fits.filter((asset) => asset.partOf === undefined) : fits;
  const [only, another] = chosen;
  if (only === undefined)
    throw new SalvorError(`There is no asset "${wanted}" in ${report.source}`, {
      code: 'NotFound',
      hint: 'List them with: salvor scan -o name',
    });
  if (another !== undefined)
    throw new SalvorError(`"${wanted}" may be one of ${chosen.map((asset) => asset.id).join(', ')}`, {
      code: 'Usage',
      hint: 'Give one of these.',
    });
  return only;
}

type Selects = (labels: Readonly<Record<string, string>>) => boolean;

/** Selectors of kubectl: equality, inequality, presence, and sets. */
export function labelSelector(text: string): Selects {
  const terms = text.split(/,(?![^(]*\))/).map((term) => termOf(term.trim()));
  return (labels) => terms.every((selects) => selects(labels));
}

function termOf(term: string): Selects {
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return (labels) => values.has(labels[key] ?? '') === (operator === 'in');
  }
  const equality = /^([\w./-]+)\s*(==?|!=)\s*([\w.-]*)$/.exec(term);
  if (equality !== null) {
    const [, key = '', operator, value] = equality;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const presence = /^(!?)([\w./-]+)$/.exec(term);
  if (presence === null)
    throw new SalvorError(`"${term}" is no label selector`, {
      code: 'Usage',
      hint: 'As in kubectl: -l app=shop,tier!=cache,critical',
    });
  const [, not, key = ''] = presence;
  return (labels) => (labels[key] !== undefined) === (not === '');
}
