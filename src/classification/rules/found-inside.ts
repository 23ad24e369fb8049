import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Files that were seen weigh more than what a path or a name suggests. */
export const foundInside: Rule = {
  name: 'foundInside',
  changedBy: 'The files are gone, or salvor.dev/protect on the claim says that they may be lost.',
  judge: (asset) => {
    const sign = signOf(asset, 'found-data');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Protect', confidence: 'high' });
  },
};
