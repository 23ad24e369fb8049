import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Objects that Git or Helm make again need no backup; those made by hand exist only here. */
export const objects: Rule = {
  name: 'objects',
  changedBy: 'Put the objects that were made by hand under the control of Git or Helm.',
  judge: (asset) => {
    if (asset.kind !== 'objects') return undefined;
    const byHand = signOf(asset, 'hand-made');
    if (byHand !== undefined) return answer(byHand, { verdict: 'Protect', confidence: 'medium' });
    const reproducible = signOf(asset, 'reproducible');
    return reproducible === undefined
      ? undefined
      : answer(reproducible, { verdict: 'Regenerable', confidence: 'medium' });
  },
};
