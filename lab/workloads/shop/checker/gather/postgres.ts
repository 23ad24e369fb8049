import { Client } from 'pg';
import { waitFor } from '#shared/async';
import { postgresOptions } from '../../services/lib/postgres.ts';
import type { PostgresTarget } from '../../services/lib/postgres.ts';
import type { OrderFact, OrdersFacts, ReceivedFact, ReplicaFacts, UploadFact } from '../facts.ts';
import { settles } from './settles.ts';
import type { Patience } from './settles.ts';

/** A server that replays its log takes connections before it answers; after a crash under load that takes seconds. */
const startTimeoutMs = 60_000;
const startingUp = '57P03';

/** A connection that is closed at the end of its scope. Waits while the server starts up. */
export async function openPostgres(target: PostgresTarget): Promise<Client & AsyncDisposable> {
  const client = await waitFor(
    async () => {
      const candidate = new Client(postgresOptions(target, 'checker'));
      try {
        await candidate.connect();
        return candidate;
      } catch (error) {
        await candidate.end().catch(() => undefined);
        if (error instanceof Error && 'code' in error && error.code === startingUp) return undefined;
        throw error;
      }
    },
    { what: 'PostgreSQL to have started up', timeoutMs: startTimeoutMs },
  );
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.end() });
}

/** How many events of orders payments has not answered. */
export async function countUnconfirmed(client: Client): Promise<number> {
  const counted = await client.query<{ n: number }>('select count(*) as n from outbox where confirmed_at is null');
  return counted.rows[0]?.n ?? 0;
}

/** Everything of orders-db in one snapshot. */
export async function gatherOrders(client: Client): Promise<OrdersFacts> {
  await client.query('begin isolation level repeatable read read only');
  const orders = await client.query<OrderFact>(
    'select id, customer, till, total_cents as "totalCents", state from orders',
  );
  const lines = await client.query<{ orderId: string; amountCents: number }>(
    'select order_id as "orderId", quantity * price_cents as "amountCents" from order_lines',
  );
  const outbox = await client.query<
    ReceivedFact & { readonly confirmed: boolean; readonly published: boolean }
  >(`select id, kind, order_id as subject, amount_cents as "amountCents",
            confirmed_at is not null as confirmed, published_at is not null as published from outbox`);
  const inbox = await client.query<ReceivedFact>('select id, kind, subject, amount_cents as "amountCents" from inbox');
  const tills = await client.query<{ id: number; balance: number }>('select id, balance_cents as balance from tills');
  const credits = await client.query<{ id: number; balance: number }>(
    'select customer as id, balance_cents as balance from credits',
  );
  const uploads = await client.query<UploadFact>(
    `select id, order_id as "orderId", translate(encode(path, 'base64'), E'\\n', '') as path64,
            size_bytes as "sizeBytes", sha256, sparse, state from uploads`,
  );
  await client.query('commit');
  return {
    orders: byId(orders.rows),
    lines: lines.rows,
    outbox: byId(outbox.rows),
    inbox: byId(inbox.rows),
    tills: new Map(tills.rows.map((row) => [row.id, row.balance])),
    credits: new Map(credits.rows.map((row) => [row.id, row.balance])),
    uploads: uploads.rows,
  };
}

export function byId<T extends { readonly id: string }>(rows: readonly T[]): Map<string, T> {
  return new Map(rows.map((row) => [row.id, row]));
}

const replicatedTables = ['orders', 'order_lines', 'tills', 'credits', 'outbox', 'inbox', 'uploads'] as const;

/** Waits until the replica has replayed what the primary has, then compares the rows. */
export async function gatherReplica(primary: Client, replica: Client, patience: Patience): Promise<ReplicaFacts> {
  const state = await replica.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
  const flushed = await primary.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn');
  const lsn = flushed.rows[0]?.lsn;
  const caughtUp = await settles(async () => {
    const replayed = await replica.query<{ done: boolean | null }>(
      'select pg_last_wal_replay_lsn() >= $1::pg_lsn as done',
      [lsn],
    );
    return replayed.rows[0]?.done === true;
  }, patience);
  const tables: Array<{ table: string; primary: string; replica: string }> = [];
  for (const table of replicatedTables) {
    tables.push({ table, primary: await fingerprint(primary, table), replica: await fingerprint(replica, table) });
  }
  return { inRecovery: state.rows[0]?.standby === true, caughtUp, tables };
}

/** The number of rows and a hash over all of them, independent of their order. */
async function fingerprint(client: Client, table: (typeof replicatedTables)[number]): Promise<string> {
  const found = await client.query<{ print: string }>(
    `select count(*) || ' rows, ' || coalesce(to_hex(bit_xor(hashtextextended(t::text, 0))), '0') as print from ${table} t`,
  );
  return found.rows[0]?.print ?? '';
}
