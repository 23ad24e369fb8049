import { answer } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Copies are worth what they are copies of; that is protected itself. A target whose source is not known stays in doubt. */
export const backupTarget: Rule = {
  name: 'backupTarget',
  changedBy: 'A program keeps its own files there as well, or what it is a copy of goes away.',
  judge: (asset, world) => {
    const sign = asset.signs.find((one) => one.means === 'backup-target' && one.of !== undefined);
    const source = sign?.of === undefined ? undefined : world.judge(sign.of);
    if (sign === undefined || source === undefined) return undefined;
    // The only copy of something that lives elsewhere is not one too many.
    if (source.verdict !== 'Protect' && source.verdict !== 'Derived') return undefined;
    return answer(sign, { verdict: 'Derived', confidence: 'medium' });
  },
};
