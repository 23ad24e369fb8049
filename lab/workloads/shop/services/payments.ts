/** payments: charges and refunds wallets in MariaDB for the events of orders, sells credit, and answers orders over HTTP. */
import type { Consumer, JsMsg } from '@nats-io/jetstream';
import type mysql from 'mysql2/promise';
import { z } from 'zod';
import { createBacklog } from './lib/backlog.ts';
import type { Backlog } from './lib/backlog.ts';
import { whenUp } from './lib/connect.ts';
import { need } from './lib/env.ts';
import { connectEvents, ensureStream, orderEventSchema, paymentsConsumer, streamName } from './lib/events.ts';
import { refusal } from './lib/http.ts';
import type { Routes } from './lib/http.ts';
import { startLoop } from './lib/loop.ts';
import { mariadbPool } from './lib/mariadb.ts';
import { openingSql, paymentsSchema } from './lib/payments/schema.ts';
import * as store from './lib/payments/store.ts';
import { runService } from './lib/service.ts';

/** Events that orders has not taken: more than this and no new credit is sold (see backlog.ts). */
const pendingMax = 48;
/** How many events are applied in one transaction, and delivered in one request. */
const batch = 32;
/** How long a request waits for room in the queue before it is told to come back later. */
const roomTimeoutMs = 5000;
/** How long one pull waits for a first message; short, so that SIGTERM is obeyed soon. */
const pullMs = 1000;
/** How long orders may take for a batch. */
const deliverTimeoutMs = 10_000;

const appliedSchema = z.object({
  accepted: z.array(z.string()),
  rejected: z.array(z.object({ id: z.string(), reason: z.string() })),
});

await runService('payments', async (context) => {
  const { env, log, signal } = context;
  const pool = mariadbPool({ url: need(env, 'PAYMENTS_DB_URL'), password: need(env, 'PAYMENTS_DB_PASSWORD') });
  await whenUp('payments-db', async () => createTables(pool), context);
  const events = { url: need(env, 'EVENTS_URL'), password: need(env, 'EVENTS_PASSWORD') };
  const connection = await whenUp('events', async () => connectEvents(events, 'payments'), context);
  const stream = await whenUp('the stream', async () => ensureStream(connection), context);
  const consumer = await whenUp(
    'the consumer',
    async () => stream.consumers.get(streamName, paymentsConsumer),
    context,
  );
  const ordersUrl = need(env, 'ORDERS_URL');
  const backlog = createBacklog(pendingMax);
  const relay = startLoop(async (stop) => deliverPending(pool, ordersUrl, backlog, stop), {
    name: 'relay',
    log,
    signal,
  });
  const intake = startLoop(async () => applyNext(pool, consumer, () => relay.wake()), { name: 'intake', log, signal });
  return {
    routes: routes(pool, backlog, () => relay.wake()),
    ready: async () => (await pool.query('select 1')).length > 0,
    async close() {
      await Promise.all([relay.done, intake.done]);
      await connection.close();
      await pool.end();
    },
  };
});

async function createTables(pool: mysql.Pool): Promise<void> {
  const connection = await pool.getConnection();
  try {
    for (const statement of paymentsSchema) await connection.query(statement);
    await connection.beginTransaction();
    for (const statement of openingSql) await connection.query(statement);
    await connection.commit();
  } finally {
    connection.release();
  }
}

/** Applies the next messages of the stream in one transaction; they are acknowledged only after it has committed. */
async function applyNext(pool: mysql.Pool, consumer: Consumer, wake: () => void): Promise<boolean> {
  const messages: JsMsg[] = [];
  const first = await consumer.next({ expires: pullMs });
  if (first === null) return true;
  messages.push(first);
  if (first.info.pending > 0) {
    const more = await consumer.fetch({ max_messages: Math.min(batch - 1, first.info.pending), expires: pullMs });
    for await (const message of more) messages.push(message);
  }
  await store.applyOrderEvents(
    pool,
    messages.map((message) => orderEventSchema.parse(message.json())),
  );
  wake();
  for (const message of messages) message.ack();
  return true;
}

/** Gives orders what is in the outbox; true when there may be more. */
async function deliverPending(
  pool: mysql.Pool,
  ordersUrl: string,
  backlog: Backlog,
  stop: AbortSignal,
): Promise<boolean> {
  const events = await store.readUndelivered(pool, batch);
  if (events.length > 0) {
    const response = await fetch(`${ordersUrl}/payment-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
      signal: AbortSignal.any([stop, AbortSignal.timeout(deliverTimeoutMs)]),
    });
    if (!response.ok) throw new Error(`orders answered ${response.status}: ${await response.text()}`);
    const applied = appliedSchema.parse(await response.json());
    await store.markDelivered(pool, applied.accepted);
    for (const { id, reason } of applied.rejected) await store.markRejected(pool, id, reason);
  }
  backlog.set(await store.countPending(pool));
  return events.length === batch;
}

function routes(pool: mysql.Pool, backlog: Backlog, wake: () => void): Routes {
  return {
    'POST /credits': async (request) => {
      const credit = await request.json(store.creditSchema);
      if (!(await backlog.enter(roomTimeoutMs))) throw refusal(503, 'orders is behind, come back later');
      try {
        const result = await store.buyCredit(pool, credit);
        return { status: result === 'bought' ? 201 : 200, json: { id: credit.id } };
      } catch (error) {
        backlog.leave();
        throw error;
      } finally {
        wake();
      }
    },
  };
}
