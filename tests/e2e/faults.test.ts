/** Servers and pods that die in the middle: the run goes on, or fails with a clear error and the next one succeeds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitFor } from '#shared/async';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { deployApplication } from './support/application.ts';
import type { Application } from './support/application.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';
import { isMoving, startSalvor } from './support/salvor-run.ts';
import type { Ended } from './support/salvor-run.ts';

const namespace = 'faults';
let shared: TestLab;
let application: Application;
let cli: SalvorCli;
/** The newest complete recovery point, and the digest of what it holds. */
let point: string;
let digest: string;

before(async () => {
  shared = await openTestLab();
  application = await deployApplication(shared, namespace, ['big']);
  cli = await shared.salvor('faults');
});
after(async () => {
  await shared.lab.startComponent('store');
  await shared.lab.startComponent('kube-apiserver');
  await shared.lab.up();
  await application.destroy();
  await shared[Symbol.asyncDispose]();
});

test('the store dies in the middle of a backup and comes back: the backup is complete', async () => {
  await application.shell(newData);
  const run = startSalvor(cli, ['backup', namespace]);
  await run.reached(isMoving);
  await shared.lab.stopComponent('store');
  await shared.lab.startComponent('store');
  await assertComplete(await run.ended);
});

test('the API server dies in the middle of a backup and comes back: the backup is complete', async () => {
  await application.shell(newData);
  const run = startSalvor(cli, ['backup', namespace]);
  await run.reached(isMoving);
  await shared.lab.stopComponent('kube-apiserver');
  await shared.lab.startComponent('kube-apiserver');
  await assertComplete(await run.ended);
});

test('a mover that is killed in the middle of a backup is started again: the backup is complete', async () => {
  await application.shell(newData);
  const run = startSalvor(cli, ['backup', namespace]);
  await run.reached(isMoving);
  await killMover();
  await assertComplete(await run.ended);
});

test('Salvor’s namespace is deleted between two runs: the next one makes it again', async () => {
  await shared.kubectl('delete', 'namespace', 'salvor-system', '--wait=false');
  await assertComplete(await startSalvor(cli, ['backup', namespace]).ended);
});

test('a mover that is killed in the middle of a restore: running it again brings everything back', async () => {
  await application.destroy();
  const run = startSalvor(cli, ['restore', point]);
  await run.reached(isMoving);
  await killMover();
  const { code, stdout, stderr } = await run.ended;
  if (code !== 0) {
    assert.equal(code, 3, stderr);
    const { failures } = JSON.parse(stdout) as { failures: { step: string; error: { code: string } }[] };
    assert.deepEqual(
      failures.map((failure) => [failure.step, failure.error.code]),
      [['big', 'MoverFailed']],
    );
    await assertNothingLeft(shared);
  }
  await assertRestored();
});

test('the store dies in the middle of a restore and stays away: the volume is named as failed; later it succeeds', async () => {
  await application.destroy();
  const run = startSalvor(cli, ['restore', point]);
  await run.reached(isMoving);
  await shared.lab.stopComponent('store');
  const { code, stdout, stderr } = await run.ended;
  assert.equal(code, 3, stderr);
  const { failures } = JSON.parse(stdout) as { failures: { step: string; error: { code: string } }[] };
  assert.deepEqual(
    failures.map((failure) => [failure.step, failure.error.code]),
    [['big', 'StoreUnreachable']],
  );
  assert.match(stderr, /The mover of big failed: Failed reading/);
  await shared.lab.startComponent('store');
  await assertNothingLeft(shared);
  await assertRestored();
});

/** Random, so that the store holds none of it yet; enough to take a few seconds. */
const newData = 'head -c 150M /dev/urandom > /big/random';
const digestOfAll = 'cd / && sha256sum big/random';

async function killMover(): Promise<void> {
  const running = ['--field-selector=status.phase=Running', '-l', 'salvor.dev/asset=big'];
  await shared.kubectl('delete', 'pods', '-n', 'salvor-system', ...running, '--grace-period=0', '--force');
}

async function assertComplete({ code, stdout, stderr }: Ended): Promise<void> {
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  const { ledger } = JSON.parse(stdout) as { ledger: { point: string; result: string } };
  assert.equal(ledger.result, 'Complete');
  point = ledger.point;
  await assertNothingLeft(shared);
  digest = await application.shell(digestOfAll);
}

async function assertRestored(): Promise<void> {
  const { code, stderr } = await cli.run(['restore', point]);
  // A restore that had succeeded by itself is not made again.
  if (!stderr.includes(`Namespace ${namespace} exists`)) assert.equal(code, 0, stderr);
  await assertNothingLeft(shared);
  await waitFor(async () => ((await application.shell(digestOfAll)) === digest ? true : undefined), {
    what: 'the data to be as it was',
    timeoutMs: 0,
  });
}
