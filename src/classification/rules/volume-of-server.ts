import type { Judgement, Sign } from '#api/asset';
import { answer } from '../rule.ts';
import type { Rule } from '../rule.ts';

/** Files of a server are worth what the server is worth; of several servers on one volume, the most valuable decides. */
export const volumeOfServer: Rule = {
  name: 'volumeOfServer',
  changedBy: 'The verdict of the server whose files it holds.',
  judge: (asset, world) => {
    const held = asset.signs.filter((sign) => sign.means === 'server-files' && sign.of !== undefined);
    const judged = held.flatMap((sign): { sign: Sign; judgement: Judgement }[] => {
      const judgement = sign.of === undefined ? undefined : world.judge(sign.of);
      return judgement === undefined ? [] : [{ sign, judgement }];
    });
    const [worth] = judged.toSorted((a, b) => order.indexOf(a.judgement.verdict) - order.indexOf(b.judgement.verdict));
    if (worth === undefined) return undefined;
    const { sign, judgement } = worth;
    // Files of other programs beside those of a cache are not the cache's.
    if (
      judgement.verdict !== 'Protect' &&
      asset.signs.some((one) => one.means === 'user-files' || one.means === 'trained')
    )
      return undefined;
    const { verdict, confidence } = judgement;
    const because = verdict === 'Protect' ? sign.says : `${sign.says}, which is ${verdict}: ${judgement.reason}`;
    const of = verdict === 'Derived' ? (judgement.of ?? sign.of) : undefined;
    return answer(sign, { verdict, confidence, because, ...(of === undefined ? {} : { of }) });
  },
};

const order = ['Protect', 'Unknown', 'External', 'Derived', 'Regenerable', 'Disposable'];
