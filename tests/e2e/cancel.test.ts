/** Ctrl-C and kill -9 in every phase: nothing half-made is visible as complete, nothing is left, and the next run succeeds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { deployApplication } from './support/application.ts';
import type { Application } from './support/application.ts';
import { holdingGateway } from './support/gateways.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';
import { isMoving, startSalvor } from './support/salvor-run.ts';
import type { Ended, ProgressLine } from './support/salvor-run.ts';

const namespace = 'cancel';
let shared: TestLab;
let application: Application;
let cli: SalvorCli;
/** A complete recovery point, and the digest of what it holds. */
let point: string;
let digest: string;

before(async () => {
  shared = await openTestLab();
  application = await deployApplication(shared, namespace, ['big', 'small']);
  cli = await shared.salvor('cancel');
  await application.shell('echo hello > /small/greeting');
});
after(async () => {
  await application.destroy();
  await shared[Symbol.asyncDispose]();
});

const moments: readonly (readonly [string, (line: ProgressLine) => boolean])[] = [
  ['while objects are captured', ({ id, state }) => id === 'objects' && state === 'started'],
  ['while the snapshot is taken', ({ id, state }) => id?.startsWith('snapshot/') === true && state === 'waiting'],
  ['while volumes are made from the snapshot', ({ id, state }) => id === 'move/big' && state === 'waiting'],
  ['while data is moved', isMoving],
];

for (const [when, moment] of moments) {
  test(`a backup that is stopped by Ctrl-C ${when} leaves no recovery point and nothing else`, async () => {
    await application.shell(newData);
    const known = await points();
    const run = startSalvor(cli, ['backup', namespace]);
    await run.reached(moment);
    run.kill('SIGINT');
    assertCancelled(await run.ended);
    assert.deepEqual(await points(), known);
    await assertNothingLeft(shared);
  });
}

test('a backup that is stopped by Ctrl-C while it is sealed leaves no recovery point and nothing else', async () => {
  const known = await points();
  await using gateway = await holdingGateway(
    shared,
    (method, path) => method === 'PUT' && path.includes('/cancel/snapshots/'),
  );
  const run = startSalvor(cli, ['backup', namespace], { SALVOR_STORE_ENDPOINT: gateway.endpoint });
  await Promise.race([gateway.held, ended(run.ended)]);
  run.kill('SIGINT');
  assertCancelled(await run.ended);
  assert.deepEqual(await points(), known);
  await assertNothingLeft(shared);
});

test('a backup after another one was killed by -9 waits for its lease, cleans up after it and is complete', async () => {
  await application.shell(newData);
  const killed = startSalvor(cli, ['backup', namespace]);
  await killed.reached(isMoving);
  killed.kill('SIGKILL');
  await killed.ended;

  const next = startSalvor(cli, ['backup', namespace]);
  await next.reached(({ text }) => text?.includes('if it is dead, it is replaced in') === true);
  const { code, stdout, stderr } = await next.ended;
  assert.equal(code, 0, stderr);
  const { ledger } = JSON.parse(stdout) as { ledger: { point: string; result: string } };
  assert.equal(ledger.result, 'Complete');
  point = ledger.point;
  assert.deepEqual(await points(), [`recoverypoint/${point}`]);
  await assertNothingLeft(shared);
  digest = await application.shell(digestOfAll);
});

const restoreMoments: readonly (readonly [string, (line: ProgressLine) => boolean])[] = [
  ['while data is moved', isMoving],
  ['while a volume is handed over', ({ why }) => why?.includes('to be handed over') === true],
  ['while workloads are made', ({ id, state }) => id === 'workloads' && state === 'started'],
  ['while workloads start', ({ id, state }) => id === 'ready' && state === 'started'],
];

for (const [when, moment] of restoreMoments) {
  test(`a restore that is stopped by Ctrl-C ${when} leaves no movers or stray volumes, and goes on when it is run again`, async () => {
    await application.destroy();
    const run = startSalvor(cli, ['restore', point]);
    await run.reached(moment);
    run.kill('SIGINT');
    assertCancelled(await run.ended);
    await assertNothingLeft(shared);

    await assertRestored();
  });
}

test('a restore that was killed by -9 is continued by running it again', async () => {
  await application.destroy();
  const killed = startSalvor(cli, ['restore', point]);
  await killed.reached(isMoving);
  killed.kill('SIGKILL');
  await killed.ended;
  await assertRestored();
});

async function assertRestored(): Promise<void> {
  const { code, stderr } = await cli.run(['restore', point]);
  assert.equal(code, 0, stderr);
  await assertNothingLeft(shared);
  assert.equal(await application.shell(digestOfAll), digest);
}

/** Random, so that the store holds none of it yet; enough to take a few seconds. */
const newData = 'head -c 150M /dev/urandom > /big/random';
const digestOfAll = 'cd / && find big small -type f ! -path "*/lost+found*" | sort | xargs sha256sum';

async function points(): Promise<string[]> {
  const { stdout } = await cli.run(['get', 'recoverypoints', '-o', 'name']);
  return stdout.split('\n').filter((line) => line !== '');
}

function assertCancelled({ code, stderr }: Ended): void {
  assert.equal(code, 130, stderr);
  const last = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as { code: string };
  assert.equal(last.code, 'Cancelled', stderr);
}

async function ended(run: Promise<Ended>): Promise<never> {
  const { code, stderr } = await run;
  throw new Error(`the command ended with ${code} before the moment was reached:\n${stderr}`);
}
