import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A volume that nothing uses may be the last copy of something, or rubbish: only its owner knows. */
export const unused: Rule = {
  name: 'unused',
  changedBy: 'A workload uses it, or it is deleted, or salvor.dev/protect says what it is.',
  judge: (asset) => {
    const sign = signOf(asset, 'unused');
    const known = asset.signs.some(
      (one) => one.strength === 'strong' && (one.means === 'user-files' || one.means === 'trained'),
    );
    if (known) return undefined;
    return sign === undefined || asset.kind !== 'volume'
      ? undefined
      : answer(sign, { verdict: 'Unknown', confidence: 'medium' });
  },
};
