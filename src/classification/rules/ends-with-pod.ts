import { answer, signOf, sentence } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Programs write their settings there anew at every start. */
const settingsFolder = /^\/etc\//;

/**
 * A volume that ends with its pod, by the user's own choice, unless it is used for what people would miss: then nobody
 * may have thought about it.
 */
export const endsWithPod: Rule = {
  name: 'endsWithPod',
  changedBy: 'Use a claim if the data should outlive the pod; set salvor.dev/protect=false if it should not.',
  judge: (asset) => {
    const source = asset.volume?.source;
    if (asset.kind !== 'volume' || (source !== 'emptyDir' && source !== 'ephemeral')) return undefined;
    const files = signOf(asset, 'user-files');
    if (files !== undefined && files.evidence.length > 0)
      return answer(files, {
        verdict: 'Unknown',
        confidence: 'low',
        because: `${files.says}, and ends with its pod: either nobody needs them, or they are lost at the next restart`,
      });
    const state = asset.signs.find(
      (sign) =>
        sign.means === 'program-state' &&
        (sign.strength === 'strong' || sign.evidence.some(({ value }) => !settingsFolder.test(value))),
    );
    if (state !== undefined)
      return answer(state, { verdict: 'Unknown', confidence: 'low', because: `${state.says}, and ends with its pod` });
    return {
      verdict: 'Disposable',
      confidence: 'medium',
      reason: sentence('is made anew with every pod, so nothing can rely on it'),
      evidence: [
        {
          object: asset.workload ?? asset.name,
          namespace: asset.namespace,
          field: `volumes[${asset.volume?.volumeName ?? ''}]`,
          value: source,
        },
      ],
    };
  },
};
