/** web: the shop front: carts in Redis, clicks into the stream, and a report read from the replica of orders-db. */
import type { JetStreamClient } from '@nats-io/jetstream';
import { createClient } from 'redis';
import { z } from 'zod';
import { whenUp } from './lib/connect.ts';
import { need } from './lib/env.ts';
import { clickSubject, connectEvents, ensureStream } from './lib/events.ts';
import type { Routes } from './lib/http.ts';
import { messageOf } from '#shared/errors';
import { postgresPool } from './lib/postgres.ts';
import { runService } from './lib/service.ts';

const idPattern = /^[a-z0-9-]{1,80}$/;
const itemSchema = z.object({
  cart: z.string().regex(idPattern),
  sku: z.string().regex(idPattern),
  quantity: z.number().int().nonnegative(),
  /** Grows with every change of this item; an older one does not overwrite a newer one. */
  version: z.number().int().positive(),
});
const clickSchema = z.object({ id: z.string().regex(idPattern), page: z.string().max(200) });

/** The item and the cart's total change together, or a crash in between would leave a total that is wrong. */
const setItemScript = `
local sku, quantity, version = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local known = tonumber(redis.call('HGET', KEYS[1], 'v:' .. sku) or '0')
if known >= version then return known end
local before = tonumber(redis.call('HGET', KEYS[1], 'q:' .. sku) or '0')
redis.call('HSET', KEYS[1], 'q:' .. sku, quantity, 'v:' .. sku, version)
redis.call('HINCRBY', KEYS[1], 'total', quantity - before)
return version`;

await runService('web', async (context) => {
  const { env, log } = context;
  const redis = createClient({
    url: need(env, 'CARTS_URL'),
    password: need(env, 'CARTS_PASSWORD'),
    // While the server is away a write fails at once rather than wait without bound.
    disableOfflineQueue: true,
  });
  redis.on('error', (error: unknown) => log('carts: connection lost', { error: messageOf(error) }));
  await whenUp('carts', async () => (redis.isOpen ? redis.ping() : redis.connect()), context);
  const events = { url: need(env, 'EVENTS_URL'), password: need(env, 'EVENTS_PASSWORD') };
  const connection = await whenUp('events', async () => connectEvents(events, 'web'), context);
  const stream = await whenUp('the stream', async () => ensureStream(connection), context);
  const replica = { url: need(env, 'ORDERS_REPLICA_URL'), password: need(env, 'ORDERS_DB_PASSWORD') };
  const pool = postgresPool(replica, 'web', log);
  const setItem = async (item: z.infer<typeof itemSchema>): Promise<void> => {
    await redis.eval(setItemScript, {
      keys: [`cart:${item.cart}`],
      arguments: [item.sku, String(item.quantity), String(item.version)],
    });
  };
  return {
    routes: routes(setItem, stream, async () => {
      const found = await pool.query('select state, count(*) as orders from orders group by state order by state');
      return found.rows;
    }),
    // The report is not part of it: the front works while the replica is being rebuilt.
    ready: async () => (await redis.ping()) === 'PONG' && !connection.isClosed(),
    async close() {
      await connection.close();
      await pool.end();
      redis.destroy();
    },
  };
});

function routes(
  setItem: (item: z.infer<typeof itemSchema>) => Promise<void>,
  stream: JetStreamClient,
  report: () => Promise<unknown[]>,
): Routes {
  return {
    'POST /carts': async (request) => {
      const item = await request.json(itemSchema);
      await setItem(item);
      return { status: 200, json: { version: item.version } };
    },
    'POST /clicks': async (request) => {
      const click = await request.json(clickSchema);
      const stored = await stream.publish(clickSubject, JSON.stringify(click), { msgID: click.id, timeout: 5000 });
      return { status: 201, json: { seq: stored.seq } };
    },
    'GET /report': async () => ({ status: 200, json: { states: await report() } }),
  };
}
