import type { Facts } from '../facts.ts';
import { each } from '../rule.ts';
import type { Rule } from '../rule.ts';

export const publishedEventsAreInTheStream: Rule = {
  name: 'publishedEventsAreInTheStream',
  says: 'every event that orders has published is in the stream',
  needsJournal: false,
  check: ({ orders, events }: Facts) => {
    const inStream = new Set(events.orderEvents.map((event) => event.id));
    const published = [...orders.outbox.values()].filter((event) => event.published);
    return each(published, (event) =>
      inStream.has(event.id) ? undefined : `${event.id} was published and is not in the stream`,
    );
  },
};

export const streamEventsWereSent: Rule = {
  name: 'streamEventsWereSent',
  says: 'every order event in the stream was sent by orders',
  needsJournal: false,
  check: ({ orders, events }: Facts) =>
    each(events.orderEvents, (event) =>
      orders.outbox.has(event.id) ? undefined : `the stream has ${event.id} at ${event.seq}, which orders never sent`,
    ),
};

export const consumerIsNotAheadOfItsEffects: Rule = {
  name: 'consumerIsNotAheadOfItsEffects',
  says: 'everything that payments has acknowledged to the stream has been applied',
  needsJournal: false,
  check: ({ payments, events }: Facts) =>
    each(
      events.orderEvents.filter((event) => event.seq <= events.consumerFloor),
      (event) =>
        payments.inbox.has(event.id)
          ? undefined
          : `payments acknowledged ${event.id} (place ${event.seq}) and has not applied it`,
    ),
};
