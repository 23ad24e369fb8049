import type { Asset, AssetId, Judgement } from '#api/asset';

/** What a rule may look at beside the asset itself. */
export interface World {
  readonly asset: (id: AssetId) => Asset | undefined;
  /** The judgement of another asset; undefined while it is being judged, so that circles end. */
  readonly judge: (id: AssetId) => Judgement | undefined;
}

/**
 * One reason for a verdict. The first rule of the list that answers decides. A rule that calls an asset anything but
 * `Protect` or `Unknown` must rest on evidence that cannot be had for data worth keeping: doubt goes to the next rule.
 */
export interface Rule {
  readonly name: string;
  /** What would make the rule no longer apply, or another verdict follow: one sentence for `salvor why`. */
  readonly changedBy: string;
  readonly judge: (asset: Asset, world: World) => Omit<Judgement, 'rule'> | undefined;
}
