import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A machine's disk is all that the machine knows. */
export const machineDisk: Rule = {
  name: 'machineDisk',
  changedBy: 'Say that the machine can be made again: salvor.dev/protect=false on the claim.',
  judge: (asset) => {
    const sign = signOf(asset, 'machine-disk');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Protect', confidence: 'high' });
  },
};
