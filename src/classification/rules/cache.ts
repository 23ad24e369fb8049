import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A cache fills again. One that ends with its pod already does. */
export const cache: Rule = {
  name: 'cache',
  changedBy: 'A program keeps something there that is not a copy: a variable that names it as its data, another mount.',
  judge: (asset) => {
    const sign = signOf(asset, 'cache');
    if (sign === undefined) return undefined;
    const lasting = signOf(asset, 'persistent') !== undefined;
    return answer(sign, { verdict: lasting ? 'Regenerable' : 'Disposable', confidence: lasting ? 'medium' : 'high' });
  },
};
