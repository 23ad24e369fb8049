import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { ConsumerConfig, JetStreamClient, StreamConfig } from '@nats-io/jetstream';
import { z } from 'zod';

/** What orders tells payments, through the stream. */
export const orderEventKinds = ['order.placed', 'order.refunded'] as const;
/** What payments tells orders, over HTTP. All but credit.bought answer an event of orders, their cause. */
export const paymentEventKinds = ['payment.captured', 'payment.refused', 'refund.paid', 'credit.bought'] as const;

/** An effect to be caused in the other database. The id makes it idempotent: each side applies an id once. */
export const orderEventSchema = z.object({
  id: z.string().min(1),
  kind: z.enum(orderEventKinds),
  orderId: z.string().min(1),
  wallet: z.number().int(),
  amountCents: z.number().int().nonnegative(),
});
export type OrderEvent = z.infer<typeof orderEventSchema>;

export const paymentEventSchema = z.object({
  id: z.string().min(1),
  kind: z.enum(paymentEventKinds),
  /** The id of the order, or of the purchase of credit. */
  subject: z.string().min(1),
  /** The id of the event of orders that this one answers. */
  cause: z.string().nullable(),
  /** Whose credit grows; 0 where no customer is meant. */
  customer: z.number().int(),
  amountCents: z.number().int().nonnegative(),
});
export type PaymentEvent = z.infer<typeof paymentEventSchema>;

export const streamName = 'SHOP';
export const paymentsConsumer = 'payments';
export const orderSubjects = 'shop.orders.>';
export const clickSubject = 'shop.clicks';
/** The stream refuses new messages rather than dropping old ones: nothing acknowledged may vanish. Fits a 1 GiB volume. */
const streamBytesMax = 512 * 1024 * 1024;

export interface EventsTarget {
  /** nats://user@host:port, without the password. */
  readonly url: string;
  readonly password: string;
}

export async function connectEvents(target: EventsTarget, name: string): Promise<NatsConnection> {
  const url = new URL(target.url);
  return connect({
    servers: `${url.hostname}:${url.port === '' ? 4222 : url.port}`,
    user: decodeURIComponent(url.username),
    pass: target.password,
    name,
    timeout: 5000,
    // A restore takes as long as it takes: keep trying for as long as the process lives.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
  });
}

/** The error code of JetStream for a stream that is not there. */
const streamNotFound = 10059;

const streamConfig: Pick<StreamConfig, 'name'> & Partial<StreamConfig> = {
  name: streamName,
  subjects: ['shop.>'],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_bytes: streamBytesMax,
  num_replicas: 1,
};

const consumerConfig: Partial<ConsumerConfig> = {
  durable_name: paymentsConsumer,
  filter_subject: orderSubjects,
  ack_policy: AckPolicy.Explicit,
  // A message that was read and not acknowledged (the service died) comes again after this long, in nanoseconds.
  ack_wait: 10_000_000_000,
  max_ack_pending: 256,
};

/** Makes the stream and the consumer if they are not there; every service that uses them calls it at its start. */
export async function ensureStream(connection: NatsConnection): Promise<JetStreamClient> {
  const manager = await jetstreamManager(connection);
  // Asked first: this server counts the room of an existing stream twice when it is added again, and refuses.
  const known = await manager.streams.info(streamName).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === streamNotFound) return undefined;
    throw error;
  });
  if (known === undefined) await manager.streams.add(streamConfig);
  await manager.consumers.add(streamName, consumerConfig);
  return jetstream(connection);
}
