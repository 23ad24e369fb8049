import type { Asset, Protection } from '#api/asset';
import type { ObjectIndex } from '../snapshot/snapshot.ts';

/** What a detector of protection is given. Everything is plain data; nothing may be asked of a cluster. */
export interface ProtectionInput {
  readonly index: ObjectIndex;
  readonly assets: readonly Asset[];
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
