import { answer } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Of members that all hold the same, one is enough. */
export const memberOfServer: Rule = {
  name: 'memberOfServer',
  changedBy: 'The member that is protected instead goes away, or the members no longer hold the same.',
  judge: (asset, world) => {
    if (asset.kind !== 'volume') return undefined;
    const sign = asset.signs.find((one) => one.means === 'replica' && one.of !== undefined);
    if (sign?.of === undefined || world.judge(sign.of)?.verdict !== 'Protect') return undefined;
    // The reason names the member that is kept; the source is the server as a whole.
    const server = asset.signs.find((one) => one.means === 'server-files' && one.of !== undefined)?.of;
    const confidence = sign.strength === 'strong' ? 'high' : 'medium';
    return answer(sign, { verdict: 'Derived', confidence, ...(server === undefined ? {} : { of: server }) });
  },
};
