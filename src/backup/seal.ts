import type { BackupPlan, PlannedVolume } from '#planner/backup-plan';
import type { Ledger } from '#api/ledger';
import type { StepResult } from '#execution/execute';
import type { Repository, Snapshot, TreeNode } from '#repository/types';
import { composeLedger } from './compose-ledger.ts';
import type { SealedPoint, StepValue } from './compose-ledger.ts';
import { fileNode, folderNode, pointFolders } from './point-tree.ts';

export interface SealContext {
  readonly plan: BackupPlan;
  readonly repository: Repository;
  readonly results: ReadonlyMap<string, StepResult<StepValue>>;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly hostname: string;
  readonly version: string;
  readonly signal: AbortSignal;
}

/** Compares what was captured with the plan and makes the recovery point visible: one restic snapshot over all assets. */
export async function sealPoint(context: SealContext): Promise<SealedPoint> {
  const { plan, repository, signal } = context;
  // The movers' packs and indexes are in the store already; their trees must be found there before they are referred to.
  await repository.refresh(signal);
  const ledger = composeLedger({ ...context, hasTree: (id) => repository.findBlob('tree', id) !== undefined });
  const nodes = [...topNodes(context, ledger)];
  const volumes = plan.assets.flatMap((asset) => (asset.kind === 'volume' ? volumeNode(asset, ledger, context) : []));
  if (volumes.length > 0)
    nodes.push(folderNode(pointFolders.volumes, (await repository.saveTree(volumes, signal)).id, context.nowMs));
  const ledgerFile = await fileNode(
    repository,
    pointFolders.ledger,
    Buffer.from(`${JSON.stringify(ledger, null, 2)}\n`),
    context.nowMs,
    signal,
  );
  const top = await repository.saveTree([...nodes, ledgerFile.node], signal);
  const root = await repository.saveTree([folderNode(plan.namespace, top.id, context.nowMs)], signal);
  const snapshot = await repository.saveSnapshot(snapshotOf(context, ledger, root.id), signal);
  return { kind: 'sealed', snapshot, ledger };
}

/** The tags by which recovery points are found among other snapshots of the repository. */
export function pointTags(application: string, point: string, result: Ledger['result']): string[] {
  return ['salvor', `application=${application}`, `point=${point}`, `result=${result}`];
}

function snapshotOf(context: SealContext, ledger: Ledger, tree: Snapshot['tree']): Omit<Snapshot, 'id'> {
  return {
    // restic sorts and forgets by this time: it is the moment the data shows, not the moment the copy was done.
    time: ledger.cutAt,
    tree,
    paths: [`/${ledger.namespace}`],
    hostname: context.hostname,
    username: 'salvor',
    uid: 0,
    gid: 0,
    tags: pointTags(ledger.application, ledger.point, ledger.result),
    programVersion: `salvor ${context.version}`,
  };
}

function topNodes(context: SealContext, ledger: Ledger): readonly TreeNode[] {
  const result = context.results.get('objects');
  const captured = ledger.assets.some((asset) => asset.kind === 'objects' && asset.result !== 'Missing');
  return captured && result?.state === 'done' && result.value.kind === 'objects' ? result.value.nodes : [];
}

function volumeNode(asset: PlannedVolume, ledger: Ledger, context: SealContext): TreeNode[] {
  const entry = ledger.assets.find((one) => one.name === asset.name);
  const result = context.results.get(`move/${asset.name}`);
  if (entry === undefined || entry.result === 'Missing' || result?.state !== 'done' || result.value.kind !== 'moved')
    return [];
  // The volume's own folder: its owner and mode matter to databases that refuse a data directory open to others.
  return [{ ...result.value.result.node, name: Buffer.from(asset.name), subtree: result.value.result.tree }];
}
