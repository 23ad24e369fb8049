import type pg from 'pg';
import { inTransaction } from '../postgres.ts';
import type { PaymentEvent } from '../events.ts';

export interface Rejected {
  readonly id: string;
  readonly reason: string;
}

export interface Applied {
  /** Applied now or earlier: payments need not send them again. */
  readonly accepted: readonly string[];
  /** Effects whose cause is not here: an order that this database does not know. */
  readonly rejected: readonly Rejected[];
}

interface OrderRow {
  readonly id: string;
  readonly till: number;
}

/** Applies each event once: the inbox row and its effect commit together, so a repeated event does nothing. */
export async function applyPaymentEvents(pool: pg.Pool, events: readonly PaymentEvent[]): Promise<Applied> {
  return inTransaction(pool, async (client) => {
    const orders = await lockOrders(client, events);
    const rejected = events.filter((event) => event.kind !== 'credit.bought' && !orders.has(event.subject));
    const known = events.filter((event) => !rejected.includes(event));
    const fresh = await receive(client, known);
    await changeStates(client, fresh);
    await fillTills(client, fresh, orders);
    await grantCredits(client, fresh);
    await confirmCauses(client, known);
    return {
      accepted: known.map((event) => event.id),
      rejected: rejected.map((event) => ({ id: event.id, reason: `no order ${event.subject}` })),
    };
  });
}

async function lockOrders(client: pg.PoolClient, events: readonly PaymentEvent[]): Promise<Map<string, OrderRow>> {
  const ids = events.filter((event) => event.kind !== 'credit.bought').map((event) => event.subject);
  if (ids.length === 0) return new Map();
  const locked = await client.query<OrderRow>({
    name: 'lock-orders',
    text: 'select id, till from orders where id = any($1) order by id for update',
    values: [ids],
  });
  return new Map(locked.rows.map((row) => [row.id, row]));
}

async function receive(client: pg.PoolClient, events: readonly PaymentEvent[]): Promise<PaymentEvent[]> {
  const inserted = await client.query<{ id: string }>({
    name: 'receive',
    text: `insert into inbox (id, kind, subject, amount_cents)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) on conflict do nothing returning id`,
    values: [
      events.map((event) => event.id),
      events.map((event) => event.kind),
      events.map((event) => event.subject),
      events.map((event) => event.amountCents),
    ],
  });
  const ids = new Set(inserted.rows.map((row) => row.id));
  return events.filter((event) => ids.has(event.id));
}

const stateAfter = { 'payment.captured': 'paid', 'payment.refused': 'refused', 'refund.paid': 'refunded' } as const;

async function changeStates(client: pg.PoolClient, events: readonly PaymentEvent[]): Promise<void> {
  const changes = events.flatMap((event) =>
    event.kind === 'credit.bought' ? [] : [{ id: event.subject, state: stateAfter[event.kind] }],
  );
  if (changes.length === 0) return;
  await client.query({
    name: 'states',
    text: `update orders set state = c.state, change_xid = pg_current_xact_id()
           from unnest($1::text[], $2::text[]) as c (id, state) where orders.id = c.id`,
    values: [changes.map((change) => change.id), changes.map((change) => change.state)],
  });
}

async function fillTills(
  client: pg.PoolClient,
  events: readonly PaymentEvent[],
  orders: ReadonlyMap<string, OrderRow>,
): Promise<void> {
  const sums = new Map<number, number>();
  for (const event of events) {
    const order = orders.get(event.subject);
    if (event.kind !== 'payment.captured' || order === undefined) continue;
    sums.set(order.till, (sums.get(order.till) ?? 0) + event.amountCents);
  }
  // In the order of ids, as everybody does who locks more than one till.
  for (const [till, sum] of [...sums].sort(([a], [b]) => a - b)) {
    await client.query({
      name: 'till',
      text: 'update tills set balance_cents = balance_cents + $2 where id = $1',
      values: [till, sum],
    });
  }
}

async function grantCredits(client: pg.PoolClient, events: readonly PaymentEvent[]): Promise<void> {
  const sums = new Map<number, number>();
  for (const event of events) {
    if (event.kind === 'credit.bought') sums.set(event.customer, (sums.get(event.customer) ?? 0) + event.amountCents);
  }
  if (sums.size === 0) return;
  const rows = [...sums].sort(([a], [b]) => a - b);
  await client.query({
    name: 'credits',
    text: `insert into credits (customer, balance_cents) select * from unnest($1::int[], $2::bigint[])
           on conflict (customer) do update set balance_cents = credits.balance_cents + excluded.balance_cents`,
    values: [rows.map(([customer]) => customer), rows.map(([, sum]) => sum)],
  });
}

async function confirmCauses(client: pg.PoolClient, events: readonly PaymentEvent[]): Promise<void> {
  const causes = events.flatMap((event) => (event.cause === null ? [] : [event.cause]));
  if (causes.length === 0) return;
  await client.query({
    name: 'confirm',
    text: 'update outbox set confirmed_at = now() where id = any($1) and confirmed_at is null',
    values: [causes],
  });
}
