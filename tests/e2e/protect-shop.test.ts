/** The main job: what the demo shows, asserted on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { protectShop } from '#lab/scenarios/protect-shop';
import type { ProtectShopResult } from '#lab/scenarios/protect-shop';
import { openShop } from '#lab/scenarios/shop';
import { silent } from '#lab/setup/progress';
import { rules } from '#lab/workloads/shop/checker/rules';
import { destroyNamespace } from './support/application.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';

interface ScannedAsset {
  readonly id: string;
  readonly partOf?: string;
  readonly judgement: { readonly verdict: string; readonly rule: string; readonly of?: string };
}

const signal = new AbortController().signal;
let shared: TestLab;
let result: ProtectShopResult;

before(async () => {
  shared = await openTestLab();
  await destroyNamespace(shared, 'shop');
  await shared.salvor('protect-shop');
  const { lab, work } = shared;
  let output = '';
  const onOutput = (text: string): void => void (output += text);
  try {
    result = await protectShop({ lab, work, prefix: 'protect-shop', onProgress: silent, onOutput, signal });
  } catch (error) {
    process.stderr.write(output);
    throw error;
  }
});
after(async () => {
  await destroyNamespace(shared, 'shop');
  await shared[Symbol.asyncDispose]();
});

test('a shop under load is captured completely, at one moment', () => {
  const { ledger } = result;
  assert.equal(ledger.result, 'Complete');
  assert.equal(ledger.consistency, 'Causal');
  assert.deepEqual(
    ledger.assets.filter((asset) => asset.result !== 'Captured' || asset.issuesTotal > 0),
    [],
  );
  assert.ok(ledger.assets.length > 4);
});

test('the stock restic finds every byte of the repository in order', () => {
  assert.ok(result.restic.check, result.restic.output);
});

test('objects and files come back after everything was destroyed, and files are compared after they were written', () => {
  assert.ok(result.destroyedVolumes > 3);
  assert.ok(result.restoredObjects > 20);
  assert.ok(result.restoredItems > 1_000);
  assert.equal(result.comparedItems, result.restoredItems);
});

test('nothing that was acknowledged before the backup is missing, and every invariant holds', () => {
  assert.deepEqual(
    result.check.results.filter((one) => !one.holds),
    [],
  );
  assert.deepEqual(result.check.notAsked, []);
  assert.ok(result.check.passed);
  assert.equal(result.check.results.length, rules.length);
  assert.ok((result.check.journalEntries ?? 0) >= 2_000);
});

test('nothing of the runs is left in the cluster or in the storage', async () => {
  await assertNothingLeft(shared);
});

test('a scan finds every piece of data of the shop that came back, with the right reasons', async () => {
  const cli = await shared.salvor('protect-shop-scan');
  const { code, stdout, stderr } = await cli.run(['scan', '-n', 'shop', '-o', 'json']);
  assert.equal(code, 0, stderr);
  const { assets } = JSON.parse(stdout) as { assets: ScannedAsset[] };
  const found = assets
    .filter(({ partOf, judgement }) => partOf === undefined && judgement.rule !== 'scratch')
    .map(({ id, judgement }) => [id, judgement.verdict, judgement.of ?? '']);
  assert.deepEqual(
    found.toSorted((left, right) => String(left[0]).localeCompare(String(right[0]))),
    [
      ['shop/database/carts', 'Protect', ''],
      ['shop/database/orders-db', 'Protect', ''],
      ['shop/database/orders-replica', 'Derived', 'shop/database/orders-db'],
      ['shop/database/payments-db', 'Protect', ''],
      ['shop/objects/objects', 'Protect', ''],
      ['shop/queue/events', 'Protect', ''],
      ['shop/volume/search', 'Derived', 'shop/database/orders-db'],
      ['shop/volume/thumbs-cache', 'Disposable', ''],
      ['shop/volume/uploads', 'Protect', ''],
    ],
  );
  const why = await cli.run(['why', 'shop/orders-replica']);
  assert.match(why.stdout, /Derived of shop\/database\/orders-db/);
  assert.match(why.stdout, /Evidence .*orders-replica/);
});

test('the checker notices one payment that is lost', async () => {
  const lost = 'delete from payments order by paid_at limit 1';
  const client = `MYSQL_PWD=$PAYMENTS_PASSWORD mariadb --no-defaults -u payments -S /tmp/mysqld.sock shop -e "${lost}"`;
  await shared.kubectl('exec', '-n', 'shop', 'statefulset/payments-db', '--', 'sh', '-c', client);
  const report = await openShop(shared.lab, shared.work, signal).check(result.ledger.startedAt);
  assert.equal(report.passed, false);
  assert.ok(report.results.some((one) => one.violations > 0));
});
