import { listPoints } from '#restore/points';
import type { Point } from '#restore/points';
import { formatBytes } from '#shared/bytes';
import { SalvorError } from '#shared/errors';
import { formatDuration } from '#shared/time';
import type { CliContext } from '../context.ts';
import type { ClusterFlags, OutputFormat, StoreFlags } from '../flags.ts';
import { isRecoveryPoint } from '../kinds.ts';
import { openCluster, openRepositoryFor } from '../open.ts';
import { print } from '../output/print.ts';
import type { View } from '../output/print.ts';

export interface GetFlags extends StoreFlags, ClusterFlags {
  readonly application?: string;
  readonly output: OutputFormat;
}

/** `salvor get recoverypoints [NAME]`: straight from the store; no cluster is needed if the key is in a file. */
export async function get(this: CliContext, flags: GetFlags, kind: string, name?: string): Promise<void> {
  if (!isRecoveryPoint(kind))
    throw new SalvorError(`There is nothing called "${kind}" to get`, {
      code: 'Usage',
      hint: 'Kinds: recoverypoints (points, rp).',
    });
  await using opened = await openRepositoryFor(this, flags, async () => openCluster(this, flags), 'fail');
  const all = await listPoints(opened.repository, flags.application, this.signal);
  const points = name === undefined ? all : all.filter((point) => point.name === name);
  if (name !== undefined && points.length === 0)
    throw new SalvorError(`There is no recovery point "${name}"`, {
      code: 'NotFound',
      hint: 'List them with: salvor get recoverypoints',
    });
  await print(this, pointsView(points, this.clock.now()), flags.output);
}

function pointsView(points: readonly Point[], nowMs: number): View {
  const heading = ['NAME', 'APPLICATION', 'RESULT', 'ASSETS', 'CONSISTENCY', 'SIZE', 'AGE'];
  const row = ({ name, ledger }: Point): string[] => [
    name,
    ledger.application,
    ledger.result,
    `${ledger.assets.filter((asset) => asset.result === 'Captured').length}/${ledger.assets.length}`,
    ledger.consistency,
    formatBytes(ledger.assets.reduce((sum, asset) => sum + asset.captured.bytes, 0)),
    formatDuration(Math.max(0, nowMs - Date.parse(ledger.cutAt))),
  ];
  return {
    value: points.map((point) => ({ name: point.name, snapshot: point.snapshot.id, ...point.ledger })),
    names: points.map((point) => `recoverypoint/${point.name}`),
    rows: [heading, ...points.map(row)],
    wideRows: [
      [...heading, 'CUT AT', 'SNAPSHOT'],
      ...points.map((point) => [...row(point), point.ledger.cutAt, point.snapshot.id.slice(0, 8)]),
    ],
    after:
      points.length === 0
        ? 'No recovery points yet. Make one: salvor backup APPLICATION'
        : `\nMore: salvor describe recoverypoint ${points.at(-1)?.name}`,
  };
}
