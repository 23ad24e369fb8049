import type { Finding, Protection, Trouble } from '#api/asset';
import { formatBytes } from '#shared/bytes';
import type { Application } from './applications.ts';
import type { AssetReport } from './report.ts';

/** What to do about one asset, by what is the matter with its protection. */
export function assetFindings(asset: AssetReport): Finding[] {
  const needed = asset.standing !== 'nothing to do';
  return [...(needed ? notProtected(asset) : []), ...(needed ? troubles(asset) : []), ...twice(asset)];
}

function notProtected(asset: AssetReport): Finding[] {
  if (asset.standing !== 'at risk' && asset.standing !== 'unknown') return [];
  const skipped = asset.protections.find((one) => one.state === 'skipped');
  const evidence = skipped?.evidence ?? asset.judgement.evidence;
  const why = skipped === undefined ? 'nothing selects it' : skipped.reason;
  const name = skipped === undefined ? 'NotProtected' : 'ScheduledButVolumeNotSelected';
  return [{ name, severity: 'risk', asset: asset.id, message: `${asset.title}: ${asset.standing}, ${why}`, evidence }];
}

const names: Readonly<Record<Trouble, { readonly name: string; readonly severity: Finding['severity'] }>> = {
  paused: { name: 'SchedulePaused', severity: 'risk' },
  failing: { name: 'ScheduleFailing', severity: 'risk' },
  neverRan: { name: 'NeverRan', severity: 'risk' },
  hot: { name: 'CopiedLiveAndHot', severity: 'risk' },
  sameStorage: { name: 'CopyInSameStorage', severity: 'warning' },
  sameCluster: { name: 'StoreInSameCluster', severity: 'risk' },
  filtered: { name: 'MayBeFilteredOut', severity: 'warning' },
  incomplete: { name: 'CopyIncomplete', severity: 'warning' },
};

/** Told also of what something else protects fully: a schedule that fails is meant to work. */
function troubles(asset: AssetReport): Finding[] {
  return asset.protections.flatMap(({ trouble, reason, evidence }): Finding[] => {
    if (trouble === undefined) return [];
    const { name, severity } = names[trouble];
    const softer = asset.standing === 'protected' && severity === 'risk' ? 'warning' : severity;
    return [{ name, severity: softer, asset: asset.id, message: `${asset.title}: ${reason}`, evidence }];
  });
}

/** Two tools that copy the same: cost, locks and restores that nobody can tell apart. */
function twice(asset: AssetReport): Finding[] {
  const full = asset.protections.filter((one) => one.state === 'full');
  const by = [...new Set(full.map((one) => `${one.tool} ${one.namespace}/${one.by}`))];
  // A server is copied through each of its volumes: that is one tool at work.
  if (new Set(full.map((one) => one.tool)).size < 2) return [];
  const size = asset.usedBytes ?? asset.sizeBytes;
  const message = `${asset.title}${size === undefined ? '' : ` (${formatBytes(size)})`} is copied by ${by.join(' and ')}`;
  return [{ name: 'ProtectedTwice', severity: 'note', asset: asset.id, message, evidence: full.flatMap(evidenceOf) }];
}

function evidenceOf({ evidence }: Protection): Protection['evidence'] {
  return evidence.slice(0, 1);
}

/** A database comes back, and the files that its rows name do not. */
export function applicationFindings({ namespaces }: Application, counted: readonly AssetReport[]): Finding[] {
  const assets = counted.filter((asset) => namespaces.includes(asset.namespace));
  const database = assets.find((asset) => asset.kind === 'database' && asset.standing === 'protected');
  if (database === undefined) return [];
  return assets
    .filter(({ kind, standing }) => (kind === 'volume' || kind === 'bucket') && standing === 'at risk')
    .map((files) => ({
      name: 'DatabaseProtectedFilesNot',
      severity: 'risk',
      asset: files.id,
      message: `${files.title} is at risk, while ${database.title} of the same application is protected: a restore would bring back rows without their files`,
      evidence: files.judgement.evidence,
    }));
}
