import type { AssetId, Evidence, Meaning, Sign, VolumeFacts } from '#api/asset';
import type { AssetBuilder, Draft } from '../builder.ts';
import type { Container, VolumeMount } from '../containers.ts';
import type { Workload } from '../workloads.ts';

/** One volume with all that is known of who uses it: what the detectors of contents judge by. */
export interface Look {
  readonly id: AssetId;
  readonly draft: Draft;
  readonly facts: VolumeFacts;
  readonly uses: readonly Use[];
  readonly builder: AssetBuilder;
  /** Whether its data outlives its pods. */
  readonly persistent: boolean;
}

/** One mount with its container and workload. */
export interface Use {
  readonly workload: Workload;
  readonly container: Container;
  readonly mount: VolumeMount;
}

/** What one family of contents says of a volume. Pure. */
export type ContentDetector = (look: Look) => readonly Sign[];

export function evidenceOfMount({ workload, container, mount }: Use): Evidence {
  return {
    object: workload.name,
    namespace: workload.namespace,
    field: `${container.path}.volumeMounts[${mount.volume}].mountPath`,
    value: mount.path,
  };
}

export function evidenceOfImage({ workload, container }: Use): Evidence {
  return {
    object: workload.name,
    namespace: workload.namespace,
    field: `${container.path}.image`,
    value: container.image,
  };
}

export interface SignText {
  readonly means: Meaning;
  readonly says: string;
  readonly strength?: Sign['strength'];
  readonly of?: AssetId;
}

export function sign({ means, says, strength = 'strong', of }: SignText, evidence: readonly Evidence[]): Sign {
  return { means, says, strength, evidence, ...(of === undefined ? {} : { of }) };
}

/** Uses that keep something there: neither read-only nor only before the start. */
export function writers(look: Look): readonly Use[] {
  return look.uses.filter((use) => !use.mount.readOnly);
}

/** Whether a value names something inside of a mount. */
export function isBelow(value: string | undefined, path: string): boolean {
  const folder = path.replace(/\/$/, '');
  return value !== undefined && folder !== '' && (value === folder || value.startsWith(`${folder}/`));
}
