import type pg from 'pg';

/** An order as the index knows it. */
export interface IndexedOrder {
  readonly id: string;
  readonly customer: number;
  readonly state: string;
  readonly totalCents: number;
}

export interface OrderIndex {
  /** Takes what has changed since the last call; true when something has. */
  refresh(): Promise<boolean>;
  byCustomer(customer: number): IndexedOrder[];
  all(): Iterable<IndexedOrder>;
  readonly size: number;
}

interface Row {
  readonly id: string;
  readonly customer: number;
  readonly state: string;
  readonly total_cents: number;
}

/**
 * Follows the table by transaction ids: everything at or above the oldest transaction that was still running at the
 * last look is read again, so a transaction that commits late is not missed. Ids that go backwards mean another
 * database (a restored one): the index is built anew.
 */
export function createOrderIndex(pool: pg.Pool): OrderIndex {
  const orders = new Map<string, IndexedOrder>();
  let horizon = 0n;
  return {
    async refresh() {
      const seen = await pool.query<{ xmin: string; xmax: string }>(
        `select pg_snapshot_xmin(s)::text as xmin, pg_snapshot_xmax(s)::text as xmax from pg_current_snapshot() s`,
      );
      const next = BigInt(seen.rows[0]?.xmin ?? '0');
      if (next < horizon) {
        orders.clear();
        horizon = 0n;
      }
      const changed = await pool.query<Row>(
        'select id, customer, state, total_cents from orders where change_xid >= $1::text::xid8',
        [String(horizon)],
      );
      let fresh = false;
      for (const row of changed.rows) {
        const known = orders.get(row.id);
        if (known?.state === row.state) continue;
        fresh = true;
        orders.set(row.id, { id: row.id, customer: row.customer, state: row.state, totalCents: row.total_cents });
      }
      horizon = next;
      return fresh;
    },
    byCustomer: (customer) => [...orders.values()].filter((order) => order.customer === customer),
    all: () => orders.values(),
    get size() {
      return orders.size;
    },
  };
}
