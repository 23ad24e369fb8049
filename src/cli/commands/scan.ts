import { readFile } from 'node:fs/promises';
import { SalvorError, exitCodes, messageOf } from '#shared/errors';
import { snapshotOfCluster } from '#discovery/snapshot/cluster';
import { lookInside } from '#discovery/snapshot/look-inside';
import { measureUsedBytes } from '#discovery/snapshot/used-bytes';
import { snapshotOfManifests } from '#discovery/snapshot/manifests';
import type { Snapshot } from '#discovery/snapshot/snapshot';
import { loadRunInPod } from '#kube/exec';
import type { CliContext } from '../context.ts';
import type { ClusterFlags } from '../flags.ts';
import { openCluster } from '../open.ts';
import { jsonText, plain, plainTree } from '../output/plain.ts';
import { choose, readBaseline } from '../scan/choose.ts';
import { scanCsv } from '../scan/csv.ts';
import { scanDot } from '../scan/graph.ts';
import { scanHtml } from '../scan/html.ts';
import { proposePolicies } from '../scan/propose.ts';
import { scanReport } from '../scan/report.ts';
import type { ScanReport } from '../scan/report.ts';
import { nextSteps, scanTable } from '../scan/table.ts';

export type ScanFormat = 'table' | 'wide' | 'json' | 'yaml' | 'name' | 'csv' | 'html' | 'dot';

/** Where a scan looks. */
export interface SourceFlags extends ClusterFlags {
  readonly from?: string;
  /** Also ask the kubelets how many bytes are in use, and look into volumes through the pods that mount them. */
  readonly probe: boolean;
  readonly namespace?: string;
}

export interface ScanFlags extends SourceFlags {
  readonly allNamespaces: boolean;
  readonly selector?: string;
  readonly failOn?: 'unprotected' | 'unknown';
  readonly baseline?: string;
  readonly propose: boolean;
  readonly output: ScanFormat;
}

/** `salvor scan`: what data there is, what should happen to it, and what protects it. Reads only; needs no installation. */
export async function scan(this: CliContext, flags: ScanFlags): Promise<void> {
  if (flags.allNamespaces && flags.namespace !== undefined)
    throw new SalvorError('--all-namespaces and --namespace exclude each other', {
      code: 'Usage',
      hint: 'Give one of them; without both, everything is scanned.',
    });
  const known = flags.baseline === undefined ? undefined : await baselineOf(flags.baseline);
  const snapshot = await takeSnapshot(this, flags);
  const whole = scanReport(snapshot, this.clock.now());
  const report = choose(whole, { namespace: flags.namespace, selector: flags.selector, known });
  await printReport(this, report, flags);
  const { atRisk, partly, unknown, unseen } = report.totals;
  const open = { unprotected: atRisk + partly + unknown + unseen, unknown: unknown + unseen };
  if (flags.failOn !== undefined && open[flags.failOn] > 0) this.setExitCode(exitCodes.partial);
}

/** The cluster, or the manifests that the flags name. */
export async function takeSnapshot(context: CliContext, flags: SourceFlags): Promise<Snapshot> {
  if (flags.from !== undefined && flags.probe)
    throw new SalvorError('--probe asks a cluster, and --from reads files', {
      code: 'Usage',
      hint: 'Give one of them.',
    });
  if (flags.from !== undefined) return snapshotOfManifests(flags.from, context.stdin, context.signal);
  const client = await openCluster(context, flags);
  const { stderr } = context.process;
  const erase = context.isTerminal ? '\r\u001B[K' : '';
  const onProgress = (text: string): void => {
    if (context.isTerminal) stderr.write(`${erase}  ${text}`);
  };
  try {
    const snapshot = await snapshotOfCluster(client, { namespace: flags.namespace, onProgress }, context.signal);
    if (!flags.probe) return snapshot;
    onProgress('asking the kubelets for the bytes in use');
    const measured = await measureUsedBytes(client, snapshot, context.signal);
    onProgress('looking into the volumes of running pods');
    return await lookInside(await loadRunInPod(flags), measured, context.signal);
  } finally {
    stderr.write(erase);
  }
}

async function baselineOf(file: string): Promise<ReadonlySet<string>> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    throw new SalvorError(`Cannot read the baseline ${file}: ${messageOf(error)}`, {
      code: 'NotFound',
      cause: error,
      hint: 'Make one with: salvor scan -o json > baseline.json',
    });
  }
  return readBaseline(file, content);
}

async function printReport(context: CliContext, report: ScanReport, { output, propose }: ScanFlags): Promise<void> {
  const { stdout, stderr } = context.process;
  if (propose) {
    const { stringify } = await import('yaml');
    const policies = proposePolicies(report);
    stdout.write(
      output === 'json'
        ? `${jsonText(policies)}\n`
        : policies.map((policy) => stringify(plainTree(policy))).join('---\n'),
    );
    stderr.write(
      policies.length === 0
        ? 'Nothing is at risk: there is nothing to propose.\n'
        : 'A proposal: review it, above all what is Unknown, before you apply it.\n',
    );
    return;
  }
  switch (output) {
    case 'json':
      stdout.write(`${jsonText(report)}\n`);
      return;
    case 'yaml': {
      const { stringify } = await import('yaml');
      stdout.write(stringify(plainTree(report), { aliasDuplicateObjects: false }));
      return;
    }
    case 'name':
      for (const asset of report.assets) stdout.write(`${plain(asset.id)}\n`);
      return;
    case 'csv':
      stdout.write(scanCsv(report));
      return;
    case 'html':
      stdout.write(scanHtml(report));
      return;
    case 'dot':
      stdout.write(scanDot(report));
      return;
    case 'table':
    case 'wide':
      stdout.write(`${scanTable(report, output === 'wide')}\n`);
      stderr.write(`${nextSteps(report)}\n`);
      return;
    default:
      output satisfies never;
  }
}
