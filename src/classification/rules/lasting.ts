import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Storage that somebody asked for, and nothing says that its content can be made again. */
export const lasting: Rule = {
  name: 'lasting',
  changedBy: 'Proof that the content can be made again: a source that it is copied from, or salvor.dev/protect=false.',
  judge: (asset) => {
    const sign = signOf(asset, 'persistent');
    if (sign === undefined) return undefined;
    const content = signOf(asset, 'user-files') ?? signOf(asset, 'program-state');
    if (content === undefined)
      return answer(sign, {
        verdict: 'Protect',
        confidence: 'low',
        because: 'outlives its pods because someone asked for it, and nothing shows that it can be made again',
      });
    return {
      ...answer(content, { verdict: 'Protect', confidence: content.strength === 'strong' ? 'high' : 'medium' }),
      evidence: [...content.evidence, ...sign.evidence],
    };
  },
};
