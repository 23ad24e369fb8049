import { createHash } from 'node:crypto';
import type { Facts } from './facts.ts';

/** The same without readonly, so that a test can break it. */
export type Breakable<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? Map<K, Breakable<V>>
    : T extends ReadonlySet<infer V>
      ? Set<V>
      : T extends ReadonlyArray<infer V>
        ? Array<Breakable<V>>
        : { -readonly [P in keyof T]: Breakable<T[P]> };

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A small shop in which everything is right: order a is paid, order b is refunded, credit c was bought. */
export function sampleFacts(): Breakable<Facts> {
  const hash = hashOf('invoice');
  const paid = { id: 'a', customer: 1, till: 1, totalCents: 300, state: 'paid' };
  const refunded = { id: 'b', customer: 2, till: 2, totalCents: 500, state: 'refunded' };
  const toPayments = [
    { id: 'placed:a', kind: 'order.placed', subject: 'a', amountCents: 300 },
    { id: 'placed:b', kind: 'order.placed', subject: 'b', amountCents: 500 },
    { id: 'refunded:b', kind: 'order.refunded', subject: 'b', amountCents: 500 },
  ];
  const toOrders = [
    { id: 'captured:a', kind: 'payment.captured', subject: 'a', amountCents: 300 },
    { id: 'captured:b', kind: 'payment.captured', subject: 'b', amountCents: 500 },
    { id: 'refund-paid:b', kind: 'refund.paid', subject: 'b', amountCents: 500 },
    { id: 'credit:c', kind: 'credit.bought', subject: 'c', amountCents: 700 },
  ];
  const file = { sizeBytes: 100, allocatedBytes: 50, inode: '9', links: 2, sha256: hash, attribute: hash };
  return {
    orders: {
      orders: new Map([paid, refunded].map((order) => [order.id, order])),
      lines: [
        { orderId: 'a', amountCents: 100 },
        { orderId: 'a', amountCents: 200 },
        { orderId: 'b', amountCents: 500 },
      ],
      outbox: new Map(toPayments.map((event) => [event.id, { ...event, confirmed: true, published: true }])),
      inbox: new Map(toOrders.map((event) => [event.id, { ...event }])),
      tills: new Map([
        [1, 300],
        [2, 0],
      ]),
      credits: new Map([[3, 700]]),
      uploads: [
        { id: 'u', orderId: 'a', path64: base64('00/u'), sizeBytes: 100, sha256: hash, sparse: true, state: 'stored' },
      ],
    },
    payments: {
      openingCents: 10_000,
      wallets: new Map([
        [1, 9000 - 300],
        [2, 1000 - 700],
      ]),
      payments: new Map([
        ['a', { wallet: 1, amountCents: 300, state: 'captured' }],
        ['b', { wallet: 2, amountCents: 500, state: 'refunded' }],
      ]),
      purchases: new Map([['c', { wallet: 2, amountCents: 700 }]]),
      outbox: new Map(toOrders.map((event) => [event.id, { ...event, confirmed: true }])),
      inbox: new Map(toPayments.map((event) => [event.id, { ...event }])),
    },
    replica: { inRecovery: true, caughtUp: true, tables: [{ table: 'orders', primary: '2 rows', replica: '2 rows' }] },
    events: {
      orderEvents: toPayments.map(({ id, subject }, index) => ({ seq: index + 1, id, orderId: subject })),
      clicks: new Set(['k']),
      consumerFloor: 3,
    },
    carts: [{ cart: 'x', total: 5, items: new Map([['sku', { quantity: 5, version: 2 }]]) }],
    files: [
      { area: 'by-hash', path64: base64(hash), ...file },
      { area: 'files', path64: base64('00/u'), ...file },
    ],
    index: [
      { id: 'a', customer: 1, state: 'paid', totalCents: 300 },
      { id: 'b', customer: 2, state: 'refunded', totalCents: 500 },
    ],
    journal: [
      { at: 1, kind: 'order', id: 'a', amountCents: 300 },
      { at: 2, kind: 'refund', id: 'b', amountCents: 500 },
      { at: 3, kind: 'credit', id: 'c', amountCents: 700 },
      { at: 4, kind: 'cart', id: 'x', sku: 'sku', version: 2, quantity: 5 },
      { at: 5, kind: 'click', id: 'k' },
      { at: 6, kind: 'upload', id: 'u', sha256: hash, sizeBytes: 100, sparse: true },
    ],
  };
}
