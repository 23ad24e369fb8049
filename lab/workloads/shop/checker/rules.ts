import type { Rule } from './rule.ts';
import * as acknowledged from './rules/acknowledged.ts';
import * as derived from './rules/derived.ts';
import * as effects from './rules/effects.ts';
import * as events from './rules/events.ts';
import * as files from './rules/files.ts';
import * as money from './rules/money.ts';

/** The invariants of the shop, in the order of the report. */
export const rules: readonly Rule[] = [
  // No effect without cause.
  effects.paymentsHaveTheirOrderEvent,
  effects.ordersHaveTheirPaymentEvent,
  events.streamEventsWereSent,
  // No acknowledged cause without effect.
  effects.confirmedOrderEventsArrived,
  effects.deliveredPaymentEventsArrived,
  events.publishedEventsAreInTheStream,
  events.consumerIsNotAheadOfItsEffects,
  effects.queuesAreDrained,
  effects.ordersAgreeWithPayments,
  // Sums are conserved.
  money.moneyIsConserved,
  money.tillsHoldTheirOrders,
  money.totalsAreTheSumOfTheLines,
  derived.cartTotalsAreTheSumOfTheItems,
  // References resolve.
  money.referencesResolve,
  // Files.
  files.uploadsHaveTheirBytes,
  files.filesHaveTheirRow,
  files.linksAndAttributesAreKept,
  files.sparseFilesKeepTheirHoles,
  // What is derived is derived again.
  derived.replicaEqualsPrimary,
  derived.indexEqualsOrders,
  // What was acknowledged is there.
  acknowledged.acknowledgedOrdersExist,
  acknowledged.acknowledgedRefundsExist,
  acknowledged.acknowledgedCreditsExist,
  acknowledged.acknowledgedCartWritesExist,
  acknowledged.acknowledgedClicksExist,
  acknowledged.acknowledgedUploadsExist,
];
