import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Indexes and renditions: slow to make again perhaps, but from something that is kept. */
export const madeFromAsset: Rule = {
  name: 'madeFromAsset',
  changedBy: 'What it is made from goes away, or a program keeps files of its own there.',
  judge: (asset, world) => {
    const sign = signOf(asset, 'index') ?? signOf(asset, 'rendition');
    const source = sign?.of === undefined ? undefined : world.judge(sign.of);
    if (sign === undefined || source === undefined || source.verdict === 'Unknown') return undefined;
    return answer(sign, { verdict: 'Derived', confidence: 'medium' });
  },
};
