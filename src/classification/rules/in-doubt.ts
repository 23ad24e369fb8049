import { sentence } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Nothing is known, and so nothing may be assumed. */
export const inDoubt: Rule = {
  name: 'inDoubt',
  changedBy: 'Say what it is with salvor.dev/protect=true or false.',
  judge: (asset) => ({
    verdict: 'Unknown',
    confidence: 'low',
    reason: sentence(asset.signs[0]?.says ?? 'shows nothing by which it could be judged'),
    evidence: asset.signs[0]?.evidence ?? [],
  }),
};
