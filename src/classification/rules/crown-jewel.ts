import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A key that is lost makes everything that it opens worthless, backups too. */
export const crownJewel: Rule = {
  name: 'crownJewel',
  changedBy: 'Keep a copy of the key outside of the cluster, and set salvor.dev/protect=false on it.',
  judge: (asset) => {
    const sign = signOf(asset, 'crown-jewel');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Protect', confidence: 'high' });
  },
};
