import type { Asset, AssetId, Finding, Judgement, Protection, Relation, Unseen } from '#api/asset';
import { classify } from '#classification/classify';
import { discover } from '#discovery/discover';
import { detectProtections } from '#discovery/protection/protections';
import { storeFindings } from '#discovery/protection/stores';
import type { Snapshot } from '#discovery/snapshot/snapshot';
import { applicationsOf } from './applications.ts';
import { applicationFindings, assetFindings } from './findings.ts';
import type { Application } from './applications.ts';

/**
 * - `protected`: something copies it, fully
 * - `partly`: something copies some of it, or fails to
 * - `at risk`: it should be protected, and nothing does
 * - `unknown`: counts as at risk
 * - `nothing to do`: it can be made again, or is elsewhere
 */
export type Standing = 'at risk' | 'unknown' | 'partly' | 'protected' | 'nothing to do';

export interface AssetReport extends Asset {
  readonly judgement: Judgement;
  readonly protections: readonly Protection[];
  readonly standing: Standing;
  /** The server whose files it holds: it is counted with that one. */
  readonly partOf?: AssetId;
}

export interface Totals {
  readonly assets: number;
  readonly bytes: number;
  readonly protected: number;
  readonly partly: number;
  readonly atRisk: number;
  readonly unknown: number;
  readonly nothingToDo: number;
  /** What could not be seen and may hold data: kinds of objects, API groups, files. Each counts as unknown. */
  readonly unseen: number;
}

export interface ScanReport {
  readonly apiVersion: 'salvor.dev/v1alpha1';
  readonly kind: 'ScanReport';
  readonly source: string;
  readonly totals: Totals;
  readonly assets: readonly AssetReport[];
  readonly applications: readonly Application[];
  readonly relations: readonly Relation[];
  readonly findings: readonly Finding[];
  readonly unseen: readonly Unseen[];
}

/** From a snapshot to everything that is printed. Pure. */
export function scanReport(snapshot: Snapshot, nowMs: number): ScanReport {
  const { index, services, workloads, assets, relations } = discover(snapshot);
  const judgements = classify(assets);
  const protections = new Map<AssetId, Protection[]>();
  for (const protection of detectProtections({ index, workloads, assets, relations, nowMs }))
    protections.set(protection.asset, [...(protections.get(protection.asset) ?? []), protection]);
  const held = new Map<AssetId, AssetId[]>();
  for (const { from, to, type } of relations)
    if (type === 'holds') held.set(from as AssetId, [...(held.get(from as AssetId) ?? []), to]);
  const holders = new Map(
    relations.filter(({ type }) => type === 'holds').map(({ from, to }) => [to, from as AssetId]),
  );
  const reports = assets.flatMap((asset): AssetReport[] => {
    const judgement = judgements.get(asset.id);
    if (judgement === undefined) return [];
    const own = protections.get(asset.id) ?? [];
    const all = own.length > 0 ? own : throughVolumes(held.get(asset.id) ?? [], { protections, judgements });
    const partOf = holders.get(asset.id);
    return [
      {
        ...asset,
        judgement,
        protections: all,
        standing: standingOf(judgement, all),
        ...(partOf === undefined ? {} : { partOf }),
      },
    ];
  });
  const counted = reports.filter(isCounted);
  const applications = applicationsOf(reports, relations);
  return withTotals({
    apiVersion: 'salvor.dev/v1alpha1',
    kind: 'ScanReport',
    source: snapshot.source,
    assets: reports,
    applications,
    relations,
    findings: [
      ...counted.flatMap(assetFindings),
      ...applications.flatMap((application) => applicationFindings(application, counted)),
      ...storeFindings(index, services),
    ],
    unseen: snapshot.unseen,
  });
}

/** The same report over fewer assets, counted anew. */
export function withTotals(report: Omit<ScanReport, 'totals'> & { readonly totals?: Totals }): ScanReport {
  const counted = report.assets.filter(isCounted);
  const count = (standing: Standing): number => counted.filter((asset) => asset.standing === standing).length;
  const { apiVersion, kind, source, totals: _, ...rest } = report;
  return {
    apiVersion,
    kind,
    source,
    totals: {
      assets: counted.length,
      bytes: counted.reduce((sum, asset) => sum + (asset.usedBytes ?? asset.sizeBytes ?? 0), 0),
      protected: count('protected'),
      partly: count('partly'),
      atRisk: count('at risk'),
      unknown: count('unknown'),
      nothingToDo: count('nothing to do'),
      unseen: report.unseen.filter(({ hides }) => hides === 'data').length,
    },
    ...rest,
  };
}

/** A volume of a database is counted with the database, and a folder for temporary files not at all. */
export function isCounted(asset: AssetReport): boolean {
  return (
    asset.partOf === undefined &&
    asset.judgement.rule !== 'scratch' &&
    asset.judgement.rule !== 'ofTheNode' &&
    !isPlainPodVolume(asset)
  );
}

/** An emptyDir that shows no sign of anything: there is one in every other pod. */
function isPlainPodVolume(asset: AssetReport): boolean {
  return asset.judgement.rule === 'endsWithPod' && asset.judgement.verdict === 'Disposable';
}

interface Judged {
  readonly protections: ReadonlyMap<AssetId, readonly Protection[]>;
  readonly judgements: ReadonlyMap<AssetId, Judgement>;
}

/** A server is as well protected as the worst of its volumes that must be. */
function throughVolumes(volumes: readonly AssetId[], { protections, judgements }: Judged): readonly Protection[] {
  const needed = volumes.filter((volume) => judgements.get(volume)?.verdict === 'Protect');
  const each = needed.map((volume) => protections.get(volume) ?? []);
  return each.some((list) => list.length === 0) ? [] : each.flat();
}

function standingOf({ verdict }: Judgement, protections: readonly Protection[]): Standing {
  if (verdict === 'Unknown' && protections.every((one) => one.state !== 'full')) return 'unknown';
  if (verdict !== 'Protect' && verdict !== 'Unknown') return 'nothing to do';
  if (protections.some((one) => one.state === 'full')) return 'protected';
  return protections.some((one) => one.state === 'partial' || one.state === 'failing') ? 'partly' : 'at risk';
}
