import type { Asset, AssetId, Confidence, Judgement, Meaning, Sign, Verdict } from '#api/asset';

/** What a rule may look at beside the asset itself. */
export interface World {
  readonly asset: (id: AssetId) => Asset | undefined;
  /** The judgement of another asset; undefined while that one is being judged, so that circles end. */
  readonly judge: (id: AssetId) => Judgement | undefined;
}

export type Answer = Omit<Judgement, 'rule'>;

/**
 * One reason for a verdict. The first rule of the list that answers decides. A rule that calls an asset anything but
 * `Protect` or `Unknown` rests on evidence that data worth keeping does not have: doubt goes on to the next rule.
 */
export interface Rule {
  readonly name: string;
  /** What would lead to another verdict: one sentence for `salvor why`. */
  readonly changedBy: string;
  readonly judge: (asset: Asset, world: World) => Answer | undefined;
}

/** The first sign of a meaning, the strong ones first. */
export function signOf(asset: Asset, means: Meaning): Sign | undefined {
  const all = asset.signs.filter((sign) => sign.means === means);
  return all.find((sign) => sign.strength === 'strong') ?? all[0];
}

export interface Verdicted {
  readonly verdict: Verdict;
  readonly confidence: Confidence;
  /** Continues "It ...": by default what the sign says. */
  readonly because?: string;
  readonly of?: AssetId;
}

/** A verdict that rests on one sign. */
export function answer(sign: Sign, { verdict, confidence, because, of }: Verdicted): Answer {
  const source = of ?? (verdict === 'Derived' ? sign.of : undefined);
  return {
    verdict,
    confidence,
    reason: sentence(because ?? sign.says),
    evidence: sign.evidence,
    ...(source === undefined ? {} : { of: source }),
  };
}

/** "is the copy" as "It is the copy." */
export function sentence(says: string): string {
  return `It ${says}${says.endsWith('.') ? '' : '.'}`;
}
