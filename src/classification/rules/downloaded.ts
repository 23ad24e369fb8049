import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** What is fetched by name can be fetched again, unless somebody also puts files of their own there. */
export const downloaded: Rule = {
  name: 'downloaded',
  changedBy: 'A program writes something of its own there, or the place it is downloaded from goes away.',
  judge: (asset) => {
    const sign = signOf(asset, 'download');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Regenerable', confidence: 'medium' });
  },
};
