import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** What a server forgets at every restart, nothing can rely on. */
export const notDurable: Rule = {
  name: 'notDurable',
  changedBy: 'Give the server a volume, or turn on its persistence.',
  judge: (asset) => {
    const sign = signOf(asset, 'not-durable');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Disposable', confidence: 'medium' });
  },
};
