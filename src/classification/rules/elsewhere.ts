import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Data of the application that is not in this cluster: named, so that nobody believes it is protected from here. */
export const elsewhere: Rule = {
  name: 'elsewhere',
  changedBy:
    'Nothing in this cluster: protect it where it lives, and tell with salvor.dev/protect=false that this is so.',
  judge: (asset) => {
    const sign = signOf(asset, 'external') ?? signOf(asset, 'vault-value');
    return sign === undefined ? undefined : answer(sign, { verdict: 'External', confidence: 'high' });
  },
};
