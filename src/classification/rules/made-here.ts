import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Results of computing, which take longer to make again than to keep. */
export const madeHere: Rule = {
  name: 'madeHere',
  changedBy: 'Nothing writes results there any more.',
  judge: (asset) => {
    const sign = signOf(asset, 'trained');
    if (sign === undefined) return undefined;
    return answer(sign, { verdict: 'Protect', confidence: isLasting(asset.signs) ? 'high' : 'medium' });
  },
};

function isLasting(signs: readonly { readonly means: string }[]): boolean {
  return signs.some((sign) => sign.means === 'persistent');
}
