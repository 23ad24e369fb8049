import type { Asset, Protection, Relation } from '#api/asset';
import type { ObjectIndex } from '../snapshot/snapshot.ts';
import type { Workload } from '../workloads.ts';

/** What a detector of protection is given. Everything is plain data; nothing may be asked of a cluster. */
export interface ProtectionInput {
  readonly index: ObjectIndex;
  readonly assets: readonly Asset[];
  readonly workloads: readonly Workload[];
  readonly relations: readonly Relation[];
  /** Now, in milliseconds since the epoch: ages of last results are judged by it. */
  readonly nowMs: number;
}

/**
 * One tool that may protect assets already. Pure. Judged per volume with the tool's own selector semantics: a schedule
 * that covers a namespace says nothing yet of the data in its volumes.
 */
export interface ProtectionDetector {
  readonly tool: string;
  readonly detect: (input: ProtectionInput) => readonly Protection[];
}
