import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Folders that come with the node, and those where a storage driver keeps the volumes that are assets themselves. */
export const ofTheNode: Rule = {
  name: 'ofTheNode',
  changedBy: 'A program keeps files of its own in that folder of the node.',
  judge: (asset) => {
    const sign = signOf(asset, 'node-system') ?? signOf(asset, 'storage-layer');
    return sign === undefined ? undefined : answer(sign, { verdict: 'Disposable', confidence: 'high' });
  },
};
