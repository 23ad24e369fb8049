import type mysql from 'mysql2/promise';
import { z } from 'zod';
import type { OrderEvent, PaymentEvent } from '../events.ts';
import { refusal } from '../http.ts';
import { inTransaction } from '../mariadb.ts';

type Rows = mysql.RowDataPacket[];

/** Applies each event of orders once: inbox row, money, payment and the answer in the outbox commit together. */
export async function applyOrderEvents(pool: mysql.Pool, events: readonly OrderEvent[]): Promise<number> {
  const once = [...new Map(events.map((event) => [event.id, event])).values()];
  return inTransaction(pool, async (connection) => {
    const [known] = await connection.query<Rows>('select id from inbox where id in (?)', [
      once.map((event) => event.id),
    ]);
    const seen = new Set(known.map((row) => String(row['id'])));
    // In the order of wallets, so that two batches never wait for each other.
    const fresh = once.filter((event) => !seen.has(event.id)).sort((a, b) => a.wallet - b.wallet);
    if (fresh.length === 0) return 0;
    await connection.query('insert into inbox (id, kind, order_id, amount_cents) values ?', [
      fresh.map((event) => [event.id, event.kind, event.orderId, event.amountCents]),
    ]);
    const answers: PaymentEvent[] = [];
    for (const event of fresh) answers.push(await applyOne(connection, event));
    await queue(connection, answers);
    return fresh.length;
  });
}

async function applyOne(connection: mysql.Connection, event: OrderEvent): Promise<PaymentEvent> {
  const answer = { subject: event.orderId, cause: event.id, customer: 0, amountCents: event.amountCents };
  switch (event.kind) {
    case 'order.placed': {
      const captured = await debit(connection, event.wallet, event.amountCents);
      await connection.query('insert into payments (order_id, wallet, amount_cents, state) values (?, ?, ?, ?)', [
        event.orderId,
        event.wallet,
        event.amountCents,
        captured ? 'captured' : 'refused',
      ]);
      return captured
        ? { ...answer, id: `captured:${event.orderId}`, kind: 'payment.captured' }
        : { ...answer, id: `refused:${event.orderId}`, kind: 'payment.refused' };
    }
    case 'order.refunded':
      await connection.query('update wallets set balance_cents = balance_cents + ? where id = ?', [
        event.amountCents,
        event.wallet,
      ]);
      await connection.query("update payments set state = 'refunded' where order_id = ?", [event.orderId]);
      return { ...answer, id: `refund-paid:${event.orderId}`, kind: 'refund.paid' };
    default:
      throw event.kind satisfies never;
  }
}

/** Takes the money if the wallet has it. */
async function debit(connection: mysql.Connection, wallet: number, amountCents: number): Promise<boolean> {
  const [result] = await connection.query<mysql.ResultSetHeader>(
    'update wallets set balance_cents = balance_cents - ? where id = ? and balance_cents >= ?',
    [amountCents, wallet, amountCents],
  );
  return result.affectedRows === 1;
}

async function queue(connection: mysql.Connection, events: readonly PaymentEvent[]): Promise<void> {
  await connection.query('insert into outbox (id, kind, subject, cause, customer, amount_cents) values ?', [
    events.map((event) => [event.id, event.kind, event.subject, event.cause, event.customer, event.amountCents]),
  ]);
}

export const creditSchema = z.object({
  id: z.string().regex(/^[a-z0-9-]{1,80}$/),
  wallet: z.number().int().nonnegative(),
  customer: z.number().int().nonnegative(),
  amountCents: z.number().int().positive(),
});
export type CreditPurchase = z.infer<typeof creditSchema>;

/** A cause that begins here: money leaves the wallet, and orders is told to grant the credit. The same id again does nothing. */
export async function buyCredit(pool: mysql.Pool, credit: CreditPurchase): Promise<'bought' | 'already'> {
  return inTransaction(pool, async (connection) => {
    const [inserted] = await connection.query<mysql.ResultSetHeader>(
      'insert ignore into credit_purchases (id, wallet, customer, amount_cents) values (?, ?, ?, ?)',
      [credit.id, credit.wallet, credit.customer, credit.amountCents],
    );
    if (inserted.affectedRows === 0) {
      const [rows] = await connection.query<Rows>('select amount_cents from credit_purchases where id = ?', [
        credit.id,
      ]);
      if (rows[0]?.['amount_cents'] !== credit.amountCents) throw refusal(409, `credit ${credit.id} cannot be bought`);
      return 'already';
    }
    if (!(await debit(connection, credit.wallet, credit.amountCents))) throw refusal(402, 'the wallet is empty');
    await queue(connection, [
      {
        id: `credit:${credit.id}`,
        kind: 'credit.bought',
        subject: credit.id,
        cause: null,
        customer: credit.customer,
        amountCents: credit.amountCents,
      },
    ]);
    return 'bought';
  });
}

/** An event that orders refused is offered again after this long, and never blocks the others. */
const retryRejectedSeconds = 5;

export async function readUndelivered(pool: mysql.Pool, limit: number): Promise<PaymentEvent[]> {
  const [rows] = await pool.query<Rows>(
    `select id, kind, subject, cause, customer, amount_cents from outbox
     where delivered_at is null
       and (attempted_at is null or attempted_at < current_timestamp(3) - interval ${retryRejectedSeconds} second)
     order by seq limit ?`,
    [limit],
  );
  return rows.map((row) => ({
    id: String(row['id']),
    kind: row['kind'] as PaymentEvent['kind'],
    subject: String(row['subject']),
    cause: row['cause'] === null ? null : String(row['cause']),
    customer: Number(row['customer']),
    amountCents: Number(row['amount_cents']),
  }));
}

/** Records that orders has applied these events. */
export async function markDelivered(pool: mysql.Pool, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await pool.query('update outbox set delivered_at = current_timestamp(3), last_error = null where id in (?)', [ids]);
}

/** Records that orders does not know the cause of this event. */
export async function markRejected(pool: mysql.Pool, id: string, reason: string): Promise<void> {
  await pool.query('update outbox set attempted_at = current_timestamp(3), last_error = ? where id = ?', [
    reason.slice(0, 200),
    id,
  ]);
}

/** How many events wait for their first delivery. */
export async function countPending(pool: mysql.Pool): Promise<number> {
  const [rows] = await pool.query<Rows>(
    'select count(*) as n from outbox where delivered_at is null and last_error is null',
  );
  return Number(rows[0]?.['n'] ?? 0);
}
