import { sentence } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A folder of a node that a program writes to. Read-only ones, and those of agents on every node, may be anything. */
export const nodeFolder: Rule = {
  name: 'nodeFolder',
  changedBy: 'Use a claim, or say with salvor.dev/protect on the pod template what it is.',
  judge: (asset) => {
    if (asset.volume?.source !== 'hostPath') return undefined;
    const { mounts } = asset.volume;
    const written =
      mounts.some((mount) => !mount.readOnly && mount.role === 'server') &&
      asset.workload?.startsWith('daemonset/') !== true;
    return {
      verdict: written ? 'Protect' : 'Unknown',
      confidence: 'low',
      reason: sentence(
        `is the folder ${asset.host ?? ''} of a node${written ? ', and a program keeps files there' : ''}`,
      ),
      evidence: [
        {
          object: asset.workload ?? asset.name,
          namespace: asset.namespace,
          field: `volumes[${asset.volume.volumeName ?? ''}].hostPath.path`,
          value: asset.host ?? '',
        },
      ],
    };
  },
};
