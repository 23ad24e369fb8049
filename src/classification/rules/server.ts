import { answer, signOf } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Databases, queues and object stores keep what others gave them. Without a volume their data is at risk, not worthless. */
export const server: Rule = {
  name: 'server',
  changedBy: 'Say that it can be lost: salvor.dev/protect=false on its workload or custom resource.',
  judge: (asset) => {
    if (asset.kind !== 'database' && asset.kind !== 'queue' && asset.kind !== 'bucket') return undefined;
    const sign = signOf(asset, 'persistent') ?? signOf(asset, 'program-state');
    if (sign === undefined) return undefined;
    const what = asset.engine?.name ?? 'a store';
    const lasting = sign.means === 'persistent';
    return answer(sign, {
      verdict: 'Protect',
      confidence: lasting ? 'high' : 'low',
      because: lasting
        ? `is ${what}, and ${sign.says}`
        : `is ${what} without a volume that outlives its pod: the next restart loses it`,
    });
  },
};
