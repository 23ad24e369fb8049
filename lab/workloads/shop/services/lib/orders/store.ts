import type pg from 'pg';
import { z } from 'zod';
import { refusal } from '../http.ts';
import type { OrderEvent } from '../events.ts';
import { tillsCount } from './schema.ts';

export const orderSchema = z.object({
  id: z.string().regex(/^[a-z0-9-]{1,80}$/),
  customer: z.number().int().nonnegative(),
  wallet: z.number().int().nonnegative(),
  lines: z
    .array(
      z.object({
        sku: z.string().min(1).max(40),
        quantity: z.number().int().positive(),
        priceCents: z.number().int().positive(),
      }),
    )
    .min(1)
    .max(20),
});
export type Order = z.infer<typeof orderSchema>;

const placeSql = `
with placed as (
  insert into orders (id, customer, wallet, till, total_cents, state)
  values ($1, $2, $3, $4, $5, 'placed') on conflict (id) do nothing returning id
), lines as (
  insert into order_lines (order_id, line, sku, quantity, price_cents)
  select placed.id, l.line, l.sku, l.quantity, l.price_cents
  from placed, unnest($6::text[], $7::int[], $8::bigint[]) with ordinality as l (sku, quantity, price_cents, line)
)
insert into outbox (id, kind, order_id, wallet, amount_cents)
select 'placed:' || placed.id, 'order.placed', placed.id, $3, $5 from placed`;

export type Placed = 'placed' | 'already';

/** Writes the order, its lines and the event for payments in one transaction. The same order again is no second one. */
export async function placeOrder(pool: pg.Pool, order: Order): Promise<{ placed: Placed; totalCents: number }> {
  const { lines } = order;
  const totalCents = lines.reduce((sum, line) => sum + line.quantity * line.priceCents, 0);
  const inserted = await pool.query({
    name: 'place',
    text: placeSql,
    values: [
      order.id,
      order.customer,
      order.wallet,
      order.customer % tillsCount,
      totalCents,
      lines.map((line) => line.sku),
      lines.map((line) => line.quantity),
      lines.map((line) => line.priceCents),
    ],
  });
  if (inserted.rowCount === 1) return { placed: 'placed', totalCents };
  const known = await pool.query<{ total_cents: number }>('select total_cents from orders where id = $1', [order.id]);
  if (known.rows[0]?.total_cents !== totalCents) throw refusal(409, `order ${order.id} exists with another total`);
  return { placed: 'already', totalCents };
}

const refundSql = `
with refunded as (
  update orders set state = 'refunding', change_xid = pg_current_xact_id()
  where id = $1 and state = 'paid' returning id, till, wallet, total_cents
), till as (
  update tills set balance_cents = balance_cents - refunded.total_cents from refunded where tills.id = refunded.till
)
insert into outbox (id, kind, order_id, wallet, amount_cents)
select 'refunded:' || id, 'order.refunded', id, wallet, total_cents from refunded returning amount_cents`;

/** Takes the money of a paid order out of its till and tells payments to give it back. Any other state is refused. */
export async function refundOrder(pool: pg.Pool, orderId: string): Promise<{ amountCents: number }> {
  const refunded = await pool.query<{ amount_cents: number }>({ name: 'refund', text: refundSql, values: [orderId] });
  const row = refunded.rows[0];
  if (row !== undefined) return { amountCents: row.amount_cents };
  const known = await pool.query<{ state: string }>('select state from orders where id = $1', [orderId]);
  if (known.rows[0] === undefined) throw refusal(404, `no order ${orderId}`);
  throw refusal(409, `order ${orderId} is ${known.rows[0].state}, not paid`);
}

/** Published this long ago and not confirmed: say it again. Heals a stream that lost what was never fsynced. */
const republishAfterSeconds = 10;

export interface PendingEvent {
  readonly event: OrderEvent;
  /** How often it was published before. */
  readonly publishes: number;
}

/** The oldest events that have to be published now. */
export async function readUnpublished(pool: pg.Pool, limit: number): Promise<PendingEvent[]> {
  const found = await pool.query<{
    id: string;
    kind: OrderEvent['kind'];
    order_id: string;
    wallet: number;
    amount_cents: number;
    publishes: number;
  }>({
    name: 'unpublished',
    text: `select id, kind, order_id, wallet, amount_cents, publishes from outbox
           where confirmed_at is null
             and (published_at is null or published_at < now() - interval '${republishAfterSeconds} seconds')
           order by seq limit $1`,
    values: [limit],
  });
  return found.rows.map((row) => ({
    event: { id: row.id, kind: row.kind, orderId: row.order_id, wallet: row.wallet, amountCents: row.amount_cents },
    publishes: row.publishes,
  }));
}

/** Records that the stream has acknowledged these events. */
export async function markPublished(pool: pg.Pool, ids: readonly string[]): Promise<void> {
  await pool.query({
    name: 'published',
    text: 'update outbox set published_at = now(), publishes = publishes + 1 where id = any($1)',
    values: [ids],
  });
}

/** How many events payments has not answered yet. */
export async function countPending(pool: pg.Pool): Promise<number> {
  const counted = await pool.query<{ n: number }>({
    name: 'pending',
    text: 'select count(*) as n from outbox where confirmed_at is null',
  });
  return counted.rows[0]?.n ?? 0;
}
