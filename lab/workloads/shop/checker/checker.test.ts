import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReport, judge } from './checker.ts';
import type { Facts } from './facts.ts';
import { rules } from './rules.ts';
import { sampleFacts } from './sample-facts.ts';
import type { Breakable } from './sample-facts.ts';

type Break = (facts: Breakable<Facts>) => void;

/** Ways to break the shop, under the rule that has to notice. Others may notice too. */
const breaks: Readonly<Record<string, Readonly<Record<string, Break>>>> = {
  paymentsHaveTheirOrderEvent: {
    'orders is older than payments': (facts) => facts.orders.outbox.delete('placed:a'),
    'an amount changed on the way': (facts) => (facts.payments.inbox.get('placed:a')!.amountCents = 301),
  },
  ordersHaveTheirPaymentEvent: {
    'payments is older than orders': (facts) => facts.payments.outbox.delete('captured:a'),
    'a credit was granted that nobody bought': (facts) => facts.payments.outbox.delete('credit:c'),
  },
  streamEventsWereSent: {
    'the stream is newer than orders': (facts) =>
      facts.events.orderEvents.push({ seq: 4, id: 'placed:z', orderId: 'z' }),
  },
  confirmedOrderEventsArrived: {
    'payments lost an event it had answered': (facts) => facts.payments.inbox.delete('refunded:b'),
  },
  deliveredPaymentEventsArrived: {
    'orders lost an event it had taken': (facts) => facts.orders.inbox.delete('credit:c'),
  },
  publishedEventsAreInTheStream: {
    'the stream is older than orders': (facts) => facts.events.orderEvents.pop(),
  },
  consumerIsNotAheadOfItsEffects: {
    'the consumer is newer than payments': (facts) => facts.payments.inbox.delete('placed:b'),
  },
  queuesAreDrained: {
    'an event never arrives': (facts) => (facts.orders.outbox.get('placed:a')!.confirmed = false),
  },
  ordersAgreeWithPayments: {
    'a payment is gone': (facts) => facts.payments.payments.delete('a'),
    'an order is in an earlier state': (facts) => (facts.orders.orders.get('b')!.state = 'paid'),
    'an amount differs': (facts) => (facts.payments.payments.get('a')!.amountCents = 299),
  },
  moneyIsConserved: {
    'a wallet is one cent short': (facts) => facts.payments.wallets.set(1, 8699),
    'an effect was applied twice': (facts) => facts.orders.tills.set(1, 600),
    'a credit vanished': (facts) => facts.orders.credits.clear(),
  },
  tillsHoldTheirOrders: {
    'two tills were mixed up': (facts) => {
      facts.orders.tills.set(1, 0);
      facts.orders.tills.set(2, 300);
    },
  },
  totalsAreTheSumOfTheLines: { 'a line is missing': (facts) => facts.orders.lines.pop() },
  cartTotalsAreTheSumOfTheItems: { 'an item is missing': (facts) => facts.carts[0]!.items.clear() },
  referencesResolve: {
    'a line without order': (facts) => facts.orders.lines.push({ orderId: 'z', amountCents: 1 }),
    'an upload of no order': (facts) => (facts.orders.uploads[0]!.orderId = 'z'),
    'a payment from no wallet': (facts) => (facts.payments.payments.get('a')!.wallet = 99),
    'a purchase that was not told': (facts) => facts.payments.outbox.delete('credit:c'),
    'an event about no payment': (facts) => facts.payments.payments.delete('a'),
  },
  uploadsHaveTheirBytes: {
    'a file is gone': (facts) => facts.files.pop(),
    'a byte changed': (facts) => (facts.files[1]!.sha256 = 'f00d'),
    'a file is short': (facts) => (facts.files[1]!.sizeBytes = 99),
  },
  filesHaveTheirRow: { 'a file came back from the future': (facts) => facts.orders.uploads.pop() },
  linksAndAttributesAreKept: {
    'a link became a copy': (facts) => {
      for (const file of facts.files) file.links = 1;
      facts.files[1]!.inode = '10';
    },
    'a link is missing': (facts) => facts.files.pop(),
    'the xattr is gone': (facts) => (facts.files[1]!.attribute = null),
    'the bytes changed in place': (facts) => {
      for (const file of facts.files) file.sha256 = 'f00d';
    },
  },
  sparseFilesKeepTheirHoles: { 'holes were filled': (facts) => (facts.files[1]!.allocatedBytes = 100) },
  replicaEqualsPrimary: {
    'the standby became a primary': (facts) => (facts.replica.inRecovery = false),
    'the standby stays behind': (facts) => (facts.replica.caughtUp = false),
    'a row differs': (facts) => (facts.replica.tables[0]!.replica = '1 rows'),
  },
  indexEqualsOrders: {
    'an order is not indexed': (facts) => facts.index.pop(),
    'the index is stale': (facts) => (facts.index[0]!.state = 'placed'),
    'the index has more': (facts) => facts.index.push({ id: 'z', customer: 1, state: 'paid', totalCents: 1 }),
  },
  acknowledgedOrdersExist: {
    'an order is gone': (facts) => facts.orders.orders.delete('a'),
    'an order costs something else': (facts) => (facts.orders.orders.get('a')!.totalCents = 1),
  },
  acknowledgedRefundsExist: { 'a refund is gone': (facts) => facts.orders.outbox.delete('refunded:b') },
  acknowledgedCreditsExist: { 'a purchase is gone': (facts) => facts.payments.purchases.clear() },
  acknowledgedCartWritesExist: {
    'a cart is gone': (facts) => facts.carts.pop(),
    'an item is older': (facts) => (facts.carts[0]!.items.get('sku')!.version = 1),
    'an item is another': (facts) => (facts.carts[0]!.items.get('sku')!.quantity = 4),
  },
  acknowledgedClicksExist: { 'a click is gone': (facts) => facts.events.clicks.clear() },
  acknowledgedUploadsExist: {
    'an upload is gone': (facts) => facts.orders.uploads.pop(),
    'an upload was not completed': (facts) => (facts.orders.uploads[0]!.state = 'writing'),
  },
};

function failing(facts: Breakable<Facts>): string[] {
  return judge(facts).results.flatMap((result) => (result.holds ? [] : [result.rule]));
}

test('every invariant holds in a shop in which everything is right', () => {
  assert.deepEqual(failing(sampleFacts()), []);
  assert.equal(judge(sampleFacts()).passed, true);
});

test('every invariant is broken by at least one case of this test', () => {
  assert.deepEqual(
    Object.keys(breaks),
    rules.map((rule) => rule.name),
  );
});

for (const [rule, cases] of Object.entries(breaks)) {
  for (const [situation, breakIt] of Object.entries(cases)) {
    test(`${rule} does not hold when ${situation}`, () => {
      const facts = sampleFacts();
      breakIt(facts);
      assert.ok(failing(facts).includes(rule), `only ${failing(facts).join(', ')} failed`);
      assert.equal(judge(facts).passed, false);
    });
  }
}

test('a newer version of a cart item than the acknowledged one is right', () => {
  const facts = sampleFacts();
  facts.carts[0] = { cart: 'x', total: 1, items: new Map([['sku', { quantity: 1, version: 3 }]]) };
  assert.deepEqual(failing(facts), []);
});

test('money that is under way is neither lost nor counted twice', () => {
  const facts = sampleFacts();
  facts.orders.inbox.delete('captured:a');
  facts.orders.tills.set(1, 0);
  assert.ok(!failing(facts).includes('moneyIsConserved'));
});

test('an empty shop proves nothing, so no invariant holds', () => {
  const facts = sampleFacts();
  facts.journal = [];
  const results = judge(facts).results.filter((result) => result.rule.startsWith('acknowledged'));
  assert.deepEqual(
    results.map((result) => [result.checked, result.holds]),
    results.map(() => [0, false]),
  );
  assert.equal(judge(facts).passed, false);
});

test('without a journal the rules about it are named as not asked', () => {
  const facts = sampleFacts();
  facts.journal = undefined;
  const report = judge(facts);
  assert.equal(report.passed, true);
  assert.equal(report.notAsked.length, 6);
  assert.match(formatReport(report), /not asked, for want of a journal: acknowledgedOrdersExist/);
});

test('the table names the broken invariant, how often it is broken, and an example', () => {
  const facts = sampleFacts();
  facts.files[1]!.sha256 = 'f00d';
  const table = formatReport(judge(facts));
  assert.match(table, /FAILED {2}uploadsHaveTheirBytes +1 checked {2}1 violations/);
  assert.match(table, /file "00\/u" has other bytes than its row says/);
  assert.match(table, /2 of 26 invariants do not hold/);
});
