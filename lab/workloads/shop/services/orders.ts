/** orders: takes orders and refunds into PostgreSQL, tells payments through the stream, applies what payments answers. */
import type { JetStreamClient } from '@nats-io/jetstream';
import type pg from 'pg';
import { z } from 'zod';
import { createBacklog } from './lib/backlog.ts';
import type { Backlog } from './lib/backlog.ts';
import { whenUp } from './lib/connect.ts';
import { need } from './lib/env.ts';
import { connectEvents, ensureStream, paymentEventSchema } from './lib/events.ts';
import { refusal } from './lib/http.ts';
import type { Routes } from './lib/http.ts';
import { startLoop } from './lib/loop.ts';
import { applyPaymentEvents } from './lib/orders/inbox.ts';
import { ordersSchema } from './lib/orders/schema.ts';
import {
  countPending,
  markPublished,
  orderSchema,
  placeOrder,
  readUnpublished,
  refundOrder,
} from './lib/orders/store.ts';
import { postgresPool } from './lib/postgres.ts';
import { runService } from './lib/service.ts';
import type { ServiceContext } from './lib/service.ts';

/** Events that payments has not answered: more than this and new orders wait (see backlog.ts). */
const pendingMax = 48;
/** How many events the relay publishes at a time. */
const relayBatch = 32;
/** How long a request waits for room in the queue before it is told to come back later. */
const roomTimeoutMs = 5000;

const batchSchema = z.object({ events: z.array(paymentEventSchema).max(256) });

await runService('orders', async (context) => {
  const { env, log, signal } = context;
  const pool = postgresPool(
    { url: need(env, 'ORDERS_DB_URL'), password: need(env, 'ORDERS_DB_PASSWORD') },
    'orders',
    log,
  );
  await whenUp('orders-db', async () => pool.query(ordersSchema), context);
  const connection = await whenUp('events', async () => connectEvents(eventsTarget(context), 'orders'), context);
  const stream = await whenUp('the stream', async () => ensureStream(connection), context);
  const backlog = createBacklog(pendingMax);
  const relay = startLoop(async () => publishPending(pool, stream, backlog), { name: 'relay', log, signal });
  return {
    routes: routes(pool, backlog, () => relay.wake()),
    ready: async () => (await pool.query('select 1')).rowCount === 1,
    async close() {
      await relay.done;
      await connection.close();
      await pool.end();
    },
  };
});

function eventsTarget({ env }: ServiceContext): { url: string; password: string } {
  return { url: need(env, 'EVENTS_URL'), password: need(env, 'EVENTS_PASSWORD') };
}

/** Publishes what is in the outbox; true when there may be more. An event is marked only after the stream has it. */
async function publishPending(pool: pg.Pool, stream: JetStreamClient, backlog: Backlog): Promise<boolean> {
  const pending = await readUnpublished(pool, relayBatch);
  await Promise.all(
    pending.map(async ({ event, publishes }) =>
      stream.publish(`shop.orders.${event.kind.slice('order.'.length)}`, JSON.stringify(event), {
        // Another id for each attempt: a repetition is meant, so the stream must not drop it as a duplicate.
        msgID: publishes === 0 ? event.id : `${event.id}#${publishes}`,
        timeout: 5000,
      }),
    ),
  );
  if (pending.length > 0)
    await markPublished(
      pool,
      pending.map(({ event }) => event.id),
    );
  backlog.set(await countPending(pool));
  return pending.length === relayBatch;
}

function routes(pool: pg.Pool, backlog: Backlog, wake: () => void): Routes {
  const withRoom = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!(await backlog.enter(roomTimeoutMs))) throw refusal(503, 'payments is behind, come back later');
    try {
      return await work();
    } catch (error) {
      backlog.leave();
      throw error;
    } finally {
      wake();
    }
  };
  return {
    'POST /orders': async (request) => {
      const order = await request.json(orderSchema);
      const result = await withRoom(async () => placeOrder(pool, order));
      return { status: result.placed === 'placed' ? 201 : 200, json: { id: order.id, totalCents: result.totalCents } };
    },
    'POST /orders/:id/refund': async ({ params }) => {
      const result = await withRoom(async () => refundOrder(pool, params.id ?? ''));
      return { status: 202, json: { id: params.id, amountCents: result.amountCents } };
    },
    'POST /payment-events': async (request) => {
      const { events } = await request.json(batchSchema);
      const applied = await applyPaymentEvents(pool, events);
      wake();
      return { status: 200, json: applied };
    },
  };
}
