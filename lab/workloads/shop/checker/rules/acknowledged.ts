import type { Acknowledged } from '../../load/journal.ts';
import type { Facts } from '../facts.ts';
import { each } from '../rule.ts';
import type { Findings, Rule } from '../rule.ts';

type OfKind<K extends Acknowledged['kind']> = Extract<Acknowledged, { kind: K }>;

/** Each entry of that kind in the journal, judged. */
function eachEntry<K extends Acknowledged['kind']>(
  facts: Facts,
  kind: K,
  judge: (entry: OfKind<K>) => string | undefined,
): Findings {
  const entries = (facts.journal ?? []).filter((entry): entry is OfKind<K> => entry.kind === kind);
  return each(entries, judge);
}

function rule(name: string, says: string, check: Rule['check']): Rule {
  return { name, says, needsJournal: true, check };
}

export const acknowledgedOrdersExist = rule(
  'acknowledgedOrdersExist',
  'every acknowledged order is there, with its total',
  (facts) =>
    eachEntry(facts, 'order', ({ id, amountCents }) => {
      const order = facts.orders.orders.get(id);
      if (order === undefined) return `order ${id} was acknowledged and is missing`;
      return order.totalCents === amountCents ? undefined : `order ${id} cost ${amountCents}, now ${order.totalCents}`;
    }),
);

export const acknowledgedRefundsExist = rule(
  'acknowledgedRefundsExist',
  'every acknowledged refund is there',
  (facts) =>
    eachEntry(facts, 'refund', ({ id, amountCents }) =>
      facts.orders.outbox.get(`refunded:${id}`)?.amountCents === amountCents
        ? undefined
        : `the refund of order ${id} was acknowledged and is missing`,
    ),
);

export const acknowledgedCreditsExist = rule(
  'acknowledgedCreditsExist',
  'every acknowledged purchase of credit is there',
  (facts) =>
    eachEntry(facts, 'credit', ({ id, amountCents }) =>
      facts.payments.purchases.get(id)?.amountCents === amountCents
        ? undefined
        : `the purchase ${id} was acknowledged and is missing`,
    ),
);

export const acknowledgedCartWritesExist = rule(
  'acknowledgedCartWritesExist',
  'every item of a cart is as last acknowledged, or newer',
  (facts) => {
    const carts = new Map(facts.carts.map((cart) => [cart.cart, cart]));
    return eachEntry(facts, 'cart', ({ id, sku, version, quantity }) => {
      const item = carts.get(id)?.items.get(sku);
      const known = item?.version ?? 0;
      if (known < version) return `cart ${id}, ${sku}: version ${version} was acknowledged, version ${known} is there`;
      if (known > version || item?.quantity === quantity) return undefined;
      return `cart ${id}, ${sku}: quantity ${quantity} was acknowledged, ${item?.quantity} is there`;
    });
  },
);

export const acknowledgedClicksExist = rule(
  'acknowledgedClicksExist',
  'every acknowledged click is in the stream',
  (facts) =>
    eachEntry(facts, 'click', ({ id }) =>
      facts.events.clicks.has(id) ? undefined : `click ${id} was acknowledged and is not in the stream`,
    ),
);

export const acknowledgedUploadsExist = rule(
  'acknowledgedUploadsExist',
  'every acknowledged upload is stored, with its hash',
  (facts) => {
    const uploads = new Map(facts.orders.uploads.map((upload) => [upload.id, upload]));
    return eachEntry(facts, 'upload', ({ id, sha256 }) => {
      const upload = uploads.get(id);
      if (upload?.state !== 'stored') return `upload ${id} was acknowledged and is not stored`;
      return upload.sha256 === sha256 ? undefined : `upload ${id} was acknowledged with another hash`;
    });
  },
);
