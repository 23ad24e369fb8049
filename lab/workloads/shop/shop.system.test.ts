/**
 * The shop on real servers: local processes with the scripts of the manifests. Needs Debian's postgresql-15,
 * mariadb-server, redis-server, nats-server and attr; as root the servers run as nobody.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { waitFor } from '#shared/async';
import { checkShop, formatReport } from './checker/checker.ts';
import type { CheckReport } from './checker/checker.ts';
import { openMariadb } from './checker/gather/mariadb.ts';
import { openPostgres } from './checker/gather/postgres.ts';
import type { ShopServiceName } from './endpoints.ts';
import { readJournal } from './load/journal.ts';
import { runLoad } from './load/load.ts';
import { startLocalShop } from './testing/local-shop.ts';
import type { LocalShop } from './testing/local-shop.ts';

const run = promisify(execFile);
/** The stores: what a restore brings back. The caches and the index are derived. */
const stores = ['orders-db', 'orders-replica', 'payments-db', 'carts', 'events', 'uploads'] as const;

let shop: LocalShop;
let folder: string;
let journal: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'shop-test-'));
  journal = path.join(folder, 'journal.jsonl');
  shop = await startLocalShop();
});

after(async () => {
  await shop[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function load(name: string, operationsMax: number): Promise<void> {
  const summary = await runLoad({ targets: shop.endpoints.load, journal, seed: name, run: name, operationsMax });
  assert.deepEqual(summary.failed, {}, summary.lastError ?? '');
}

/** Broken shops never come to rest: they get a short time to do so. */
async function check(options: { settleMs?: number; beforeMs?: number } = {}): Promise<CheckReport> {
  return checkShop({
    targets: shop.endpoints.checker,
    secrets: shop.secrets,
    journal: { path: journal, ...(options.beforeMs === undefined ? {} : { beforeMs: options.beforeMs }) },
    settleTimeoutMs: options.settleMs ?? 30_000,
  });
}

function failing(report: CheckReport): string[] {
  return report.results.flatMap((result) => (result.holds ? [] : [result.rule]));
}

function assertFails(report: CheckReport, ...expected: readonly string[]): void {
  const failed = failing(report);
  for (const rule of expected) assert.ok(failed.includes(rule), `${rule} held:\n${formatReport(report)}`);
}

const ordersDb = () => openPostgres({ url: shop.endpoints.checker.ordersDb, password: shop.secrets.ordersPassword });
const paymentsDb = () =>
  openMariadb({ url: shop.endpoints.checker.paymentsDb, password: shop.secrets.paymentsPassword });

/** Copies the data of a stopped store, with links, holes, owners and xattrs. */
async function keep(name: ShopServiceName, as: string): Promise<void> {
  await run('cp', ['-a', '--sparse=always', shop.dataOf(name), path.join(folder, `${as}-${name}`)]);
}

async function putBack(name: ShopServiceName, from: string): Promise<void> {
  await rm(shop.dataOf(name), { recursive: true });
  await run('cp', ['-a', '--sparse=always', path.join(folder, `${from}-${name}`), shop.dataOf(name)]);
}

test('after a load of every kind of operation all invariants hold', async () => {
  await load('first', 1500);
  const report = await check();
  assert.ok(report.passed, formatReport(report));
});

test('an effect that payments lost is found', async () => {
  await using connection = await paymentsDb();
  await connection.query("create table kept as select * from inbox where kind = 'order.placed' limit 1");
  await connection.query('delete from inbox where id in (select id from kept)');
  assertFails(await check({ settleMs: 1000 }), 'confirmedOrderEventsArrived', 'consumerIsNotAheadOfItsEffects');
  await connection.query('insert into inbox select * from kept');
  await connection.query('drop table kept');
});

test('a cause that orders lost is found', async () => {
  await using client = await ordersDb();
  await client.query("create table kept as select * from outbox where kind = 'order.refunded' limit 1");
  await client.query('delete from outbox where id in (select id from kept)');
  assertFails(await check({ settleMs: 1000 }), 'paymentsHaveTheirOrderEvent', 'streamEventsWereSent');
  await client.query('insert into outbox select * from kept');
  await client.query('drop table kept');
});

test('a payment that is gone is found', async () => {
  await using connection = await paymentsDb();
  await connection.query("create table kept as select * from payments where state = 'captured' limit 1");
  await connection.query('delete from payments where order_id in (select order_id from kept)');
  assertFails(await check({ settleMs: 1000 }), 'ordersAgreeWithPayments', 'referencesResolve');
  await connection.query('insert into payments select * from kept');
  await connection.query('drop table kept');
});

test('money that appears is found', async () => {
  await using client = await ordersDb();
  await client.query('update tills set balance_cents = balance_cents + 1 where id = 3');
  assertFails(await check({ settleMs: 1000 }), 'moneyIsConserved', 'tillsHoldTheirOrders');
  await client.query('update tills set balance_cents = balance_cents - 1 where id = 3');
});

test('one changed byte of an upload is found', async () => {
  const byHash = path.join(shop.dataOf('uploads'), 'by-hash');
  const name = (await readdir(byHash)).find((hash) => !hash.startsWith('e3b0c442'))!;
  await using file = await open(path.join(byHash, name), 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 0);
  await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 0);
  assertFails(await check({ settleMs: 1000 }), 'uploadsHaveTheirBytes', 'linksAndAttributesAreKept');
  await file.write(byte, 0, 1, 0);
});

test('what was broken was the cause: put right, all invariants hold again', async () => {
  const report = await check();
  assert.ok(report.passed, formatReport(report));
});

test('everything killed under load comes back by itself with all that was acknowledged', async () => {
  const stop = new AbortController();
  const running = runLoad({ targets: shop.endpoints.load, journal, seed: 'k', run: 'killed', signal: stop.signal });
  const entries = (await readJournal(journal)).length;
  await waitFor(async () => ((await readJournal(journal)).length > entries + 500 ? true : undefined), {
    what: 'the journal to grow',
    timeoutMs: 60_000,
  });
  await shop.killAll();
  stop.abort();
  await running;
  await shop.startAll();
  const report = await check();
  assert.ok(report.passed, formatReport(report));
});

test('stores put back to one moment are right; one of them put back to another moment is found', async (t) => {
  await shop.stopAll();
  const cut = Date.now();
  for (const name of stores) await keep(name, 'cut');
  await shop.startAll();
  await load('second', 600);
  await shop.stopAll();
  await keep('payments-db', 'late');

  await t.test('payments newer than orders has effects without cause', async () => {
    for (const name of stores) if (name !== 'payments-db') await putBack(name, 'cut');
    await shop.startAll();
    assertFails(await check({ settleMs: 1000, beforeMs: cut }), 'paymentsHaveTheirOrderEvent', 'moneyIsConserved');
  });

  await t.test('all of them from the same moment pass, while the replica, left newer, makes itself anew', async () => {
    await shop.stopAll();
    for (const name of stores) if (name !== 'orders-replica') await putBack(name, 'cut');
    // What ran on the copy before has moved the standby on, into a history that the primary does not have now.
    await shop.startAll();
    const report = await check({ beforeMs: cut });
    assert.ok(report.passed, formatReport(report));
  });

  await t.test('payments older than orders has lost effects, and what was acknowledged is missing', async () => {
    await load('third', 600);
    await shop.stopAll();
    await putBack('payments-db', 'cut');
    await shop.startAll();
    const report = await check({ settleMs: 1000 });
    assertFails(report, 'confirmedOrderEventsArrived', 'consumerIsNotAheadOfItsEffects', 'acknowledgedCreditsExist');
  });
});

test('a replica that is ahead of its primary makes itself anew, and one that is a prefix of it is kept', async () => {
  const log = path.join(shop.folder, 'orders-replica.log');
  const rebuilt = async (): Promise<string[]> =>
    (await readFile(log, 'utf8')).match(/making the replica anew: .*/g) ?? [];
  await shop.stopAll();
  await putBack('payments-db', 'late');
  await putBack('orders-db', 'cut');
  await putBack('orders-replica', 'cut');
  const earlier = await rebuilt();
  await shop.startAll();
  assert.deepEqual(await rebuilt(), earlier);
  await using client = await ordersDb();
  await client.query('create table ahead as select generate_series(1, 50000) as n');
  await check({ settleMs: 5000 });
  await client.end();
  await shop.stopAll();
  await putBack('orders-db', 'cut');
  await shop.startAll();
  assert.deepEqual((await rebuilt()).slice(earlier.length), ['making the replica anew: it is ahead of the primary']);
  const { results } = await check({ settleMs: 5000 });
  assert.equal(results.find((result) => result.rule === 'replicaEqualsPrimary')?.holds, true);
});
