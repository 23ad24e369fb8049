import type { Connection } from 'mysql2/promise';
import type { Client } from 'pg';
import type { CheckerTargets, ShopSecrets } from '../../endpoints.ts';
import type { Acknowledged } from '../../load/journal.ts';
import { readLines } from '../../services/lib/http.ts';
import type { IndexedOrder } from '../../services/lib/search/index-of-orders.ts';
import type { FileFact } from '../../services/lib/uploads/storage.ts';
import type { Facts, OrdersFacts } from '../facts.ts';
import { countUndelivered, gatherPayments, openMariadb } from './mariadb.ts';
import { gatherEvents } from './nats.ts';
import { countUnconfirmed, gatherOrders, gatherReplica, openPostgres } from './postgres.ts';
import { gatherCarts } from './redis.ts';
import { settles } from './settles.ts';
import type { Patience } from './settles.ts';

export interface GatherOptions {
  readonly targets: CheckerTargets;
  readonly secrets: ShopSecrets;
  readonly journal: readonly Acknowledged[] | undefined;
  /** How long the queues, the replica and the index may take, each, to come to rest. */
  readonly patience: Patience;
}

/** Waits until the shop has come to rest and reads all of its stores. There must be no load while it runs. */
export async function gather(options: GatherOptions): Promise<Facts> {
  const { targets, secrets, patience } = options;
  const signal = patience.signal;
  await using primary = await openPostgres({ url: targets.ordersDb, password: secrets.ordersPassword });
  await using replica = await openPostgres({ url: targets.ordersReplica, password: secrets.ordersPassword });
  await using paymentsDb = await openMariadb({ url: targets.paymentsDb, password: secrets.paymentsPassword });
  // Whether they became empty is for the rules to say, from what is read below.
  await settles(async () => queuesAreEmpty(primary, paymentsDb), patience);
  const orders = await gatherOrders(primary);
  return {
    orders,
    payments: await gatherPayments(paymentsDb),
    replica: await gatherReplica(primary, replica, patience),
    events: await gatherEvents({ url: targets.events, password: secrets.eventsPassword }, signal),
    carts: await gatherCarts({ url: targets.carts, password: secrets.cartsPassword }),
    files: await readAll<FileFact>(`${targets.uploads}/files`, signal),
    index: await gatherIndex(`${targets.search}/index`, orders, patience),
    journal: options.journal,
  };
}

async function queuesAreEmpty(primary: Client, paymentsDb: Connection): Promise<boolean> {
  return (await countUnconfirmed(primary)) === 0 && (await countUndelivered(paymentsDb)) === 0;
}

async function readAll<T>(url: string, signal?: AbortSignal): Promise<T[]> {
  const response = await fetch(url, signal === undefined ? {} : { signal });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  return Array.fromAsync(readLines<T>(response.body));
}

/** The index follows orders with a small delay: reads it again until it is as far, or the time is over. */
async function gatherIndex(url: string, orders: OrdersFacts, patience: Patience): Promise<IndexedOrder[]> {
  let index: IndexedOrder[] = [];
  await settles(async () => {
    index = await readAll<IndexedOrder>(url, patience.signal);
    const known = new Map(index.map((order) => [order.id, order.state]));
    return [...orders.orders.values()].every((order) => known.get(order.id) === order.state);
  }, patience);
  return index;
}
