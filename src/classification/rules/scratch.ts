import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Temporary files, memory, disks that end with their machine. */
export const scratch: Rule = {
  name: 'scratch',
  changedBy: 'A program keeps something there that it needs after a restart.',
  judge: (asset) => {
    const sign = signOf(asset, 'scratch');
    return sign === undefined
      ? undefined
      : answer(sign, {
          verdict: 'Disposable',
          confidence: signOf(asset, 'persistent') === undefined ? 'high' : 'medium',
        });
  },
};
