import type { Clock } from '#shared/time';
import type { Locks } from './locks.ts';
import type { Log } from './log.ts';
import type { CopyContext } from './volumes/snapshots.ts';
import type { Pool } from './volumes/pool.ts';

/** The name of the driver, in StorageClasses, CSIDriver objects and on the wire. */
export const driverName = 'csi.salvor.dev';

/** The topology key that ties a volume to the node with its pool. */
export const topologyKey = `${driverName}/node`;

/** What every service of one driver shares. */
export interface Context {
  readonly nodeId: string;
  readonly pool: Pool;
  readonly locks: Locks;
  readonly log: Log;
  readonly clock: Clock;
  /** The longest time that volumes are held frozen for a snapshot. */
  readonly holdDeadlineMs: number;
}

export const topologyOf = (context: Context): { segments: Record<string, string> } => ({
  segments: { [topologyKey]: context.nodeId },
});

export const copyContextOf = (context: Context, signal: AbortSignal): CopyContext => ({
  pool: context.pool,
  hold: { deadlineMs: context.holdDeadlineMs, clock: context.clock, log: context.log },
  signal,
});
