import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/**
 * The user's own word. A mark for another tool on the volume of a database only says that this tool should not copy its
 * files: databases are often dumped instead, so there the database decides.
 */
export const optOut: Rule = {
  name: 'optOut',
  changedBy: 'Remove the label or annotation, or set salvor.dev/protect=true.',
  judge: (asset) => {
    const sign = signOf(asset, 'opt-out');
    if (sign === undefined) return undefined;
    const ours = sign.says.endsWith('by Salvor');
    const serves = signOf(asset, 'server-files') !== undefined || asset.kind !== 'volume';
    return serves && !ours ? undefined : answer(sign, { verdict: 'Disposable', confidence: 'high' });
  },
};
