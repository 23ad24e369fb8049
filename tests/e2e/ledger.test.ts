/** What could not be captured makes the run fail, is named with its reason, and is never restored by accident. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Ledger } from '#api/ledger';
import { findLayout } from '#lab/cluster/running';
import { waitFor } from '#shared/async';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { deployApplication } from './support/application.ts';
import type { Application } from './support/application.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';
import { assertRefused } from './support/salvor-run.ts';

const namespace = 'ledger';
let shared: TestLab;
let application: Application;
let cli: SalvorCli;
let partial: Ledger;

before(async () => {
  shared = await openTestLab();
  application = await deployApplication(shared, namespace, ['good', 'short', 'missing']);
  cli = await shared.salvor('ledger');
  await application.shell(`for volume in good short missing; do
    for n in {1..50}; do head -c 20000 /dev/urandom > /$volume/file-$n; done
  done`);
  await scale(0);
});
after(async () => {
  await application.destroy();
  await shared[Symbol.asyncDispose]();
});

test('a damaged file and a volume that cannot be mounted make a backup end with 3, named with their reasons', async () => {
  // A broken inode: the file has a name, and everything else about it is an error of the file system.
  await onImage('short', 'debugfs -w -R "set_inode_field /file-40 block[0] 0" "$image"');
  // A superblock that says that it needs features no kernel has.
  await onImage('missing', 'debugfs -w -R "set_super_value feature_incompat 0xffffffff" "$image"');
  const { code, stdout, stderr } = await cli.run(['backup', namespace, '-o', 'json']);
  assert.equal(code, 3, `${stdout}\n${stderr}`);
  partial = (JSON.parse(stdout) as { ledger: Ledger }).ledger;
  assert.equal(partial.result, 'Partial');
  assert.deepEqual(
    partial.assets.map((asset) => [asset.name, asset.result]),
    [
      ['(objects)', 'Captured'],
      ['good', 'Captured'],
      ['missing', 'Missing'],
      ['short', 'Short'],
    ],
  );
  const short = partial.assets.find((asset) => asset.name === 'short');
  assert.equal((short?.planned?.items ?? 0) - (short?.captured.items ?? 0), 1);
  assert.equal(short?.issuesTotal, 1);
  assert.equal(short?.issues[0]?.path, 'file-40');
  assert.equal(short?.issues[0]?.code, 'EUCLEAN');
  const missing = partial.assets.find((asset) => asset.name === 'missing');
  assert.match(missing?.issues[0]?.message ?? '', /FailedMount|mount/);
  await assertNothingLeft(shared);
});

test('what is lost is told by get and describe, with what to do', async () => {
  const listed = await cli.run(['get', 'recoverypoints']);
  assert.match(listed.stdout, new RegExp(`^${partial.point} +ledger +Partial +2/4 `, 'm'));
  const { stdout } = await cli.run(['describe', 'recoverypoint', partial.point]);
  assert.match(stdout, /^Result +Partial$/m);
  assert.match(stdout, /^good .* Captured$/m);
  assert.match(stdout, /^short .* Short$/m);
  assert.match(stdout, /^missing .* Missing$/m);
  assert.match(stdout, /^ +\S+ {2}file-40 {2}/m);
  assert.match(stdout, /^What to do +Remove the cause for missing, short/m);
});

test('a partial recovery point is restored only if the loss is accepted', async () => {
  const files = 'cd / && sha256sum good/file-* short/file-*';
  await application.destroy();
  assertRefused(await cli.run(['restore', partial.point]), 5, /missing is missing, short is short/, /--accept-partial/);
  const { code, stderr } = await cli.run(['restore', partial.point, '--accept-partial']);
  assert.equal(code, 0, stderr);
  await scale(1);
  const lines = (await application.shell(files)).trim().split('\n');
  assert.equal(lines.length, 99);
  assert.ok(!lines.some((line) => line.endsWith('short/file-40')));
  assert.equal((await application.shell('ls /missing | grep -c file || true')).trim(), '0');
  await assertNothingLeft(shared);
});

test('the next backup of what is whole again is complete', async () => {
  const { code, stdout, stderr } = await cli.run(['backup', namespace, '-o', 'json']);
  assert.equal(code, 0, stderr);
  assert.equal((JSON.parse(stdout) as { ledger: Ledger }).ledger.result, 'Complete');
  await assertNothingLeft(shared);
});

async function scale(replicas: number): Promise<void> {
  await shared.kubectl('scale', '-n', namespace, 'deployment/app', `--replicas=${replicas}`);
  await waitFor(
    async () => {
      const pods = await shared.kubectl('get', 'pods', '-n', namespace, '-o', 'name');
      return pods
        .trim()
        .split('\n')
        .filter((name) => name !== '').length === replicas
        ? true
        : undefined;
    },
    { what: `${replicas} pods`, timeoutMs: 60_000 },
  );
  await application.ready();
}

/** Runs a script on the image behind a claim that no pod uses. */
async function onImage(claim: string, script: string): Promise<void> {
  const volumeName = await shared.kubectl('get', 'pvc', '-n', namespace, claim, '-o', 'jsonpath={.spec.volumeName}');
  const handle = await shared.kubectl('get', 'pv', volumeName, '-o', 'jsonpath={.spec.csi.volumeHandle}');
  const { pool } = await findLayout(shared.lab.name);
  const image = `${pool}/volumes/${handle}/image`;
  // The kubelet unmounts it a while after the pod is gone, and writes until then.
  await waitFor(async () => ((await shared.lab.exec(['losetup', '-j', image])).stdout === '' ? true : undefined), {
    what: `volume ${claim} to be unmounted`,
    timeoutMs: 60_000,
  });
  const { code, stdout, stderr } = await shared.lab.exec(['bash', '-ec', `image=${image}\n${script}`]);
  assert.equal(code, 0, `${stdout}${stderr}`);
}
