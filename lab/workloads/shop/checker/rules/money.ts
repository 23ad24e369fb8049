import type { Facts, OrdersFacts } from '../facts.ts';
import { each, sum, together } from '../rule.ts';
import type { Rule } from '../rule.ts';

export const moneyIsConserved: Rule = {
  name: 'moneyIsConserved',
  says: 'wallets, tills, credits and what is under way add up to the opening balances',
  needsJournal: false,
  check(facts: Facts) {
    const { orders, payments } = facts;
    const held = sum(payments.wallets.values()) + sum(orders.tills.values()) + sum(orders.credits.values());
    const found = held + underWayCents(facts);
    const checked = payments.wallets.size + orders.tills.size + orders.credits.size;
    if (found === payments.openingCents) return { checked, violations: [] };
    return { checked, violations: [`there are ${found} cents, there were ${payments.openingCents}`] };
  },
};

/** Money that has left one database and has not reached the other. */
function underWayCents({ orders, payments }: Facts): number {
  const toOrders = [...payments.outbox.values()].filter(
    (event) => (event.kind === 'payment.captured' || event.kind === 'credit.bought') && !orders.inbox.has(event.id),
  );
  const toPayments = [...orders.outbox.values()].filter(
    (event) => event.kind === 'order.refunded' && !payments.inbox.has(event.id),
  );
  return sum([...toOrders, ...toPayments].map((event) => event.amountCents));
}

export const tillsHoldTheirOrders: Rule = {
  name: 'tillsHoldTheirOrders',
  says: 'every till holds the sum of its paid orders',
  needsJournal: false,
  check: ({ orders }: Facts) => {
    const paid = new Map<number, number>();
    for (const order of orders.orders.values()) {
      if (order.state === 'paid') paid.set(order.till, (paid.get(order.till) ?? 0) + order.totalCents);
    }
    return each(orders.tills, ([till, balance]) =>
      balance === (paid.get(till) ?? 0)
        ? undefined
        : `till ${till} holds ${balance}, its paid orders are ${paid.get(till) ?? 0}`,
    );
  },
};

export const totalsAreTheSumOfTheLines: Rule = {
  name: 'totalsAreTheSumOfTheLines',
  says: 'every order costs what its lines cost',
  needsJournal: false,
  check: ({ orders }: Facts) => {
    const sums = new Map<string, number>();
    for (const line of orders.lines) sums.set(line.orderId, (sums.get(line.orderId) ?? 0) + line.amountCents);
    return each(orders.orders.values(), (order) =>
      sums.get(order.id) === order.totalCents
        ? undefined
        : `order ${order.id} costs ${order.totalCents}, its lines ${sums.get(order.id) ?? 0}`,
    );
  },
};

export const referencesResolve: Rule = {
  name: 'referencesResolve',
  says: 'whatever names an order, a wallet, a payment or a purchase names one that exists',
  needsJournal: false,
  check: ({ orders, payments }: Facts) =>
    together(
      each(orders.lines, (line) => toOrder(orders, `a line`, line.orderId)),
      each(orders.outbox.values(), (event) => toOrder(orders, `event ${event.id}`, event.subject)),
      each(orders.uploads, (upload) => toOrder(orders, `upload ${upload.id}`, upload.orderId)),
      each(payments.payments, ([id, payment]) =>
        payments.wallets.has(payment.wallet)
          ? toOrder(orders, 'a payment', id)
          : `payment ${id} names wallet ${payment.wallet}, which is missing`,
      ),
      each(payments.purchases, ([id, purchase]) =>
        payments.outbox.get(`credit:${id}`)?.amountCents === purchase.amountCents
          ? undefined
          : `purchase ${id} was not told to orders`,
      ),
      each(payments.outbox.values(), (event) =>
        (event.kind === 'credit.bought' ? payments.purchases : payments.payments).has(event.subject)
          ? undefined
          : `event ${event.id} names ${event.subject}, which is missing`,
      ),
    ),
};

function toOrder(orders: OrdersFacts, from: string, orderId: string): string | undefined {
  return orders.orders.has(orderId) ? undefined : `${from} names order ${orderId}, which is missing`;
}
