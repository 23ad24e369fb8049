import type { Facts, ReceivedFact, SentFact } from '../facts.ts';
import { each } from '../rule.ts';
import type { Findings, Rule } from '../rule.ts';

/** Every received effect was sent, by the same id and with the same amount. */
function caused(
  received: ReadonlyMap<string, ReceivedFact>,
  sent: ReadonlyMap<string, SentFact>,
  [here, there]: readonly [here: string, there: string],
): Findings {
  return each(received.values(), (effect) => {
    const cause = sent.get(effect.id);
    if (cause === undefined) return `${here} has ${effect.id}, which ${there} never sent`;
    if (cause.amountCents === effect.amountCents) return undefined;
    return `${effect.id} was sent with ${cause.amountCents} and received with ${effect.amountCents}`;
  });
}

/** Everything whose arrival was confirmed has arrived. */
function arrived(
  sent: ReadonlyMap<string, SentFact>,
  received: ReadonlyMap<string, ReceivedFact>,
  [here, there]: readonly [here: string, there: string],
): Findings {
  const confirmed = [...sent.values()].filter((cause) => cause.confirmed);
  return each(confirmed, (cause) =>
    received.has(cause.id) ? undefined : `${here} was told that ${there} has ${cause.id}, but it has not`,
  );
}

/** No effect without cause. */
export const paymentsHaveTheirOrderEvent: Rule = {
  name: 'paymentsHaveTheirOrderEvent',
  says: 'every event that payments applied was sent by orders',
  needsJournal: false,
  check: ({ orders, payments }: Facts) => caused(payments.inbox, orders.outbox, ['payments', 'orders']),
};

export const ordersHaveTheirPaymentEvent: Rule = {
  name: 'ordersHaveTheirPaymentEvent',
  says: 'every event that orders applied was sent by payments',
  needsJournal: false,
  check: ({ orders, payments }: Facts) => caused(orders.inbox, payments.outbox, ['orders', 'payments']),
};

/** No acknowledged cause without effect. */
export const confirmedOrderEventsArrived: Rule = {
  name: 'confirmedOrderEventsArrived',
  says: 'every event of orders that was confirmed has been applied by payments',
  needsJournal: false,
  check: ({ orders, payments }: Facts) => arrived(orders.outbox, payments.inbox, ['orders', 'payments']),
};

export const deliveredPaymentEventsArrived: Rule = {
  name: 'deliveredPaymentEventsArrived',
  says: 'every event of payments that was delivered has been applied by orders',
  needsJournal: false,
  check: ({ orders, payments }: Facts) => arrived(payments.outbox, orders.inbox, ['payments', 'orders']),
};

export const queuesAreDrained: Rule = {
  name: 'queuesAreDrained',
  says: 'with no load, every event reaches the other side',
  needsJournal: false,
  check: ({ orders, payments }: Facts) =>
    each([...orders.outbox.values(), ...payments.outbox.values()], (event) =>
      event.confirmed ? undefined : `${event.id} is still under way`,
    ),
};

/** What an order's state must be, given its payment, when nothing is under way. */
const stateOf: Readonly<Record<string, string>> = { captured: 'paid', refused: 'refused', refunded: 'refunded' };

export const ordersAgreeWithPayments: Rule = {
  name: 'ordersAgreeWithPayments',
  says: 'the state and total of every order are those of its payment',
  needsJournal: false,
  check: ({ orders, payments }: Facts) =>
    each(orders.orders.values(), (order) => {
      const payment = payments.payments.get(order.id);
      if (payment === undefined) return `order ${order.id} is ${order.state} and has no payment`;
      if (payment.amountCents !== order.totalCents) {
        return `order ${order.id} costs ${order.totalCents}, its payment is ${payment.amountCents}`;
      }
      if (stateOf[payment.state] === order.state) return undefined;
      return `order ${order.id} is ${order.state}, its payment is ${payment.state}`;
    }),
};
