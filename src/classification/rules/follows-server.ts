import { answer } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** A server that follows another one can be made anew from it. */
export const followsServer: Rule = {
  name: 'followsServer',
  changedBy: 'The server it follows goes away, or it no longer follows it.',
  judge: (asset, world) => {
    if (asset.kind === 'volume') return undefined;
    const sign = asset.signs.find(
      (one) => one.means === 'replica' && one.strength === 'strong' && one.of !== undefined,
    );
    if (sign?.of === undefined) return undefined;
    // Two servers that follow each other are two sources, not two copies.
    const primary = world.asset(sign.of);
    const circle = primary?.signs.some((one) => one.means === 'replica' && one.of === asset.id) ?? true;
    return circle ? undefined : answer(sign, { verdict: 'Derived', confidence: 'high' });
  },
};
