import mysql from 'mysql2/promise';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { mariadbOptions } from '../../services/lib/mariadb.ts';
import type { MariadbTarget } from '../../services/lib/mariadb.ts';
import type { PaymentsFacts, ReceivedFact, SentFact } from '../facts.ts';
import { byId } from './postgres.ts';

/** A connection that is closed at the end of its scope. */
export async function openMariadb(target: MariadbTarget): Promise<Connection & AsyncDisposable> {
  const connection = await mysql.createConnection(mariadbOptions(target));
  return Object.assign(connection, { [Symbol.asyncDispose]: async () => connection.end() });
}

/** How many events of payments orders has not taken. */
export async function countUndelivered(connection: Connection): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>('select count(*) as n from outbox where delivered_at is null');
  return Number(rows[0]?.['n'] ?? 0);
}

/** Everything of payments-db in one snapshot. */
export async function gatherPayments(connection: Connection): Promise<PaymentsFacts> {
  await connection.query('set transaction isolation level repeatable read');
  await connection.query('start transaction with consistent snapshot, read only');
  const rows = async <T>(sql: string): Promise<T[]> => {
    const [found] = await connection.query<RowDataPacket[]>(sql);
    return found as T[];
  };
  const opening = await rows<{ total: number }>('select total_cents as total from opening');
  const wallets = await rows<{ id: number; balance: number }>('select id, balance_cents as balance from wallets');
  const payments = await rows<{ id: string; wallet: number; amountCents: number; state: string }>(
    'select order_id as id, wallet, amount_cents as amountCents, state from payments',
  );
  const purchases = await rows<{ id: string; wallet: number; amountCents: number }>(
    'select id, wallet, amount_cents as amountCents from credit_purchases',
  );
  const outbox = await rows<ReceivedFact & { readonly confirmed: number }>(
    'select id, kind, subject, amount_cents as amountCents, delivered_at is not null as confirmed from outbox',
  );
  const inbox = await rows<ReceivedFact>(
    'select id, kind, order_id as subject, amount_cents as amountCents from inbox',
  );
  await connection.query('commit');
  return {
    openingCents: opening[0]?.total ?? 0,
    wallets: new Map(wallets.map((row) => [row.id, row.balance])),
    payments: byId(payments),
    purchases: byId(purchases),
    outbox: byId(outbox.map((row): SentFact => ({ ...row, confirmed: row.confirmed === 1 }))),
    inbox: byId(inbox),
  };
}
