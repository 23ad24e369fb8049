import type { Ledger, Skip } from '#api/ledger';
import { findPoint } from '#restore/points';
import type { Point } from '#restore/points';
import { SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { isRecoveryPoint } from '../kinds.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { print } from '../output/print.ts';
import { formatTable } from '../output/table.ts';
import { ledgerRows } from './backup.ts';

/** Issues of one asset that are printed; all of them are in `-o json`. */
const issuesShownMax = 10;

/** Reasons are sentences: they get a little more room than other tables. */
const skipsWidth = 140;

export interface DescribeFlags extends StoreFlags, ClusterFlags {
  readonly output: OutputFormat;
}

/** `salvor describe recoverypoint NAME` */
export async function describe(this: CliContext, flags: DescribeFlags, kind: string, name: string): Promise<void> {
  if (!isRecoveryPoint(kind))
    throw new SalvorError(`There is nothing called "${kind}" to describe`, {
      code: 'Usage',
      hint: 'Kinds: recoverypoint (point, rp).',
    });
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const point = await findPoint(opened.repository, name, this.signal);
  if (flags.output === 'table' || flags.output === 'wide') this.process.stdout.write(`${describePoint(point)}\n`);
  else
    await print(
      this,
      { value: { name: point.name, snapshot: point.snapshot.id, ...point.ledger }, names: [point.name], rows: [] },
      flags.output,
    );
}

function describePoint({ name, snapshot, ledger }: Point): string {
  const seconds = formatDuration(Date.parse(ledger.finishedAt) - Date.parse(ledger.startedAt));
  return [
    `Name         ${name}`,
    `Application  ${ledger.application}`,
    `Result       ${ledger.result}`,
    `Moment       ${ledger.cutAt}`,
    `Consistency  ${ledger.consistency}: ${ledger.cut}`,
    `Took         ${seconds}`,
    `Snapshot     ${snapshot.id}  (restic ls ${snapshot.id.slice(0, 8)})`,
    '',
    formatTable(ledgerRows(ledger)),
    ...issues(ledger),
    ...skips(ledger),
    '',
    whatToDo(ledger),
  ].join('\n');
}

function issues(ledger: Ledger): string[] {
  const troubled = ledger.assets.filter((asset) => asset.issuesTotal > 0);
  if (troubled.length === 0) return [];
  const lines = troubled.flatMap((asset) => [
    `  ${asset.name}: ${asset.issuesTotal} issues`,
    ...asset.issues.slice(0, issuesShownMax).map((issue) => `    ${issue.code}  ${issue.path}  ${issue.message}`),
    ...(asset.issuesTotal > issuesShownMax
      ? [`    ... ${asset.issuesTotal - issuesShownMax} more; the first ${asset.issues.length} are in -o json`]
      : []),
  ]);
  return ['', 'Not captured', ...lines];
}

/** Skips by rule: a namespace has many objects that the cluster makes by itself. What is not protected comes first, one by one. */
function skips(ledger: Ledger): string[] {
  if (ledger.skipped.length === 0) return [];
  const alone = ledger.skipped.filter(isUnprotected).map((skip) => ['1', skip.what, skip.reason]);
  const byRule = Map.groupBy(
    ledger.skipped.filter((skip) => !isUnprotected(skip)),
    (skip) => skip.rule,
  );
  const rows = [...byRule.values()].map((members) => [
    String(members.length),
    someOf(members.map((skip) => skip.what)),
    someReason(members),
  ]);
  return ['', 'Skipped, and why', formatTable([['COUNT', 'WHAT', 'WHY'], ...alone, ...rows], skipsWidth)];
}

function isUnprotected(skip: Skip): boolean {
  return skip.reason.startsWith('NOT PROTECTED');
}

function someOf(names: readonly string[]): string {
  return names.length > 2 ? `${names.slice(0, 2).join(', ')}, ...` : names.join(', ');
}

/** The reason of all, or of the first where they differ in a name. */
function someReason(members: readonly Skip[]): string {
  const [first] = members;
  if (first === undefined) return '';
  return members.every((skip) => skip.reason === first.reason)
    ? first.reason
    : `${first.rule}, for instance: ${first.reason}`;
}

function whatToDo(ledger: Ledger): string {
  if (ledger.result === 'Complete')
    return `What to do   Nothing: it is complete. To see what a restore would do: salvor restore ${ledger.point} --dry-run`;
  const lost = ledger.assets.filter((asset) => asset.result !== 'Captured').map((asset) => asset.name);
  return `What to do   Remove the cause for ${lost.join(', ')} (above), then: salvor backup ${ledger.application}`;
}
