import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Who marks data for backup, for whatever tool, says that it matters. */
export const optIn: Rule = {
  name: 'optIn',
  changedBy: 'Remove the label or annotation, and the other rules decide.',
  judge: (asset) => {
    const sign = signOf(asset, 'opt-in');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Protect', confidence: 'high' });
  },
};
