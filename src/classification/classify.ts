import type { Asset, AssetId, Confidence, Judgement } from '#api/asset';
import type { World } from './rule.ts';
import { rules } from './rules.ts';

/** The verdict of every asset, each by the first rule that answers. Pure. */
export function classify(assets: readonly Asset[]): ReadonlyMap<AssetId, Judgement> {
  const byId = new Map(assets.map((asset) => [asset.id, asset]));
  const judged = new Map<AssetId, Judgement>();
  const underWay = new Set<AssetId>();
  const judge = (id: AssetId): Judgement | undefined => {
    const known = judged.get(id);
    const asset = byId.get(id);
    if (known !== undefined || asset === undefined || underWay.has(id)) return known;
    underWay.add(id);
    const judgement = judgeBy(asset, world);
    underWay.delete(id);
    judged.set(id, judgement);
    return judgement;
  };
  const world: World = { asset: (id) => byId.get(id), judge };
  for (const asset of assets) judge(asset.id);
  return judged;
}

function judgeBy(asset: Asset, world: World): Judgement {
  for (const rule of rules) {
    const answer = rule.judge(asset, world);
    if (answer !== undefined) return { ...answer, rule: rule.name, confidence: confidenceIn(asset, answer.confidence) };
  }
  throw new Error('the last rule answers always');
}

/** What is concluded from the values of a chart was not seen, and is one step less sure. */
function confidenceIn(asset: Asset, confidence: Confidence): Confidence {
  if (asset.inferredFrom === undefined) return confidence;
  return confidence === 'high' ? 'medium' : 'low';
}

/** What would lead to another verdict than this one. */
export function changedBy(judgement: Judgement): string {
  return rules.find((rule) => rule.name === judgement.rule)?.changedBy ?? '';
}
