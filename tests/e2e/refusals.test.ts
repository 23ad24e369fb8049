/** What cannot be done is refused at once: with the right exit code, a reason and a remedy, and nothing is left behind. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { deployApplication, destroyNamespace } from './support/application.ts';
import type { Application } from './support/application.ts';
import { freePort, readOnlyGateway } from './support/gateways.ts';
import { openTestLab, storeFolder } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';
import { assertRefused } from './support/salvor-run.ts';

const namespace = 'refusals';
let shared: TestLab;
let application: Application;
/** Holds one recovery point of the application, whose name is `point`. */
let cli: SalvorCli;
let point: string;

before(async () => {
  shared = await openTestLab();
  application = await deployApplication(shared, namespace, ['data']);
  await application.shell('echo hello > /data/greeting');
  cli = await shared.salvor('refusals');
  const { code, stdout, stderr } = await cli.run(['backup', namespace, '-o', 'name']);
  assert.equal(code, 0, stderr);
  point = stdout.trim();
});
after(async () => {
  await destroyNamespace(shared, 'refusals-hostpath');
  await application.destroy();
  await assertNothingLeft(shared);
  await shared[Symbol.asyncDispose]();
});

test('a namespace that does not exist is named, and no repository is made for it', async () => {
  const fresh = await shared.salvor('refusals-fresh');
  assertRefused(await fresh.run(['backup', 'no-such-shop']), 4, /no namespace "no-such-shop"/);
  const { code } = await shared.lab.exec(['ls', join(await storeFolder(shared.lab), 'refusals-fresh')]);
  assert.notEqual(code, 0, 'a repository was made');
});

test('a store where nobody listens is unreachable, and the endpoint is named as the thing to check', async () => {
  const env = { SALVOR_STORE_ENDPOINT: `http://127.0.0.1:${await freePort()}` };
  assertRefused(await cli.run(['backup', namespace], { env }), 10, /ECONNREFUSED/, /Check the endpoint/);
});

test('wrong credentials are refused with the remedy', async () => {
  const env = { AWS_SECRET_ACCESS_KEY: 'not-the-one' };
  assertRefused(await cli.run(['get', 'recoverypoints'], { env }), 10, /HTTP 403/, /access key and its secret/);
});

test('a store that may only be read lists its recovery points, and refuses a backup with the right that is missing', async () => {
  await using gateway = await readOnlyGateway(shared);
  const env = { SALVOR_STORE_ENDPOINT: gateway.endpoint };
  const listed = await cli.run(['get', 'recoverypoints', '-o', 'name'], { env });
  assert.equal(listed.stdout, `recoverypoint/${point}\n`, listed.stderr);
  assertRefused(await cli.run(['backup', namespace], { env }), 10, /s3:PutObject/);
  const asJson = await cli.run(['backup', namespace, '-o', 'json'], { env });
  assert.equal(lastLine(asJson.stderr)['code'], 'StoreAccessDenied');
});

test('another key than that of the repository opens nothing and changes nothing', async () => {
  const other = join(shared.work, 'other.key');
  await writeFile(other, 'another-key-than-the-first\n');
  for (const args of [
    ['backup', namespace],
    ['get', 'recoverypoints'],
    ['restore', point],
    ['repo', 'init'],
  ]) {
    assertRefused(await cli.run([...args, '--key-file', other]), 12);
  }
  assert.equal((await cli.run(['get', 'recoverypoints', '-o', 'name'])).stdout, `recoverypoint/${point}\n`);
});

test('a key that is nowhere is missing', async () => {
  assertRefused(await cli.run(['backup', namespace, '--key-file', '/nonexistent/key']), 12, /\/nonexistent\/key/);
  assertRefused(await cli.run(['backup', namespace, '--key-secret', 'default/none']), 12, /Secret default\/none/);
});

test('a recovery point that does not exist is not found, and those that do are named', async () => {
  assertRefused(await cli.run(['restore', 'nothing']), 4, /"nothing"/, new RegExp(point));
});

test('without a snapshot class a volume cannot be captured: the class is asked for', async () => {
  const name = 'volumesnapshotclass/salvor';
  const stored = await shared.read<{ metadata: object; driver: string; deletionPolicy: string }>(name);
  await shared.kubectl('delete', name);
  try {
    assertRefused(await cli.run(['backup', namespace]), 5, /No VolumeSnapshotClass for driver csi.salvor.dev/, /data/);
  } finally {
    const metadata = { name: 'salvor', annotations: (stored.metadata as { annotations: object }).annotations };
    await shared.apply({ ...stored, metadata });
  }
});

test('a volume without a CSI driver is refused by name, not left out', async () => {
  const name = 'refusals-hostpath';
  const accessModes = ['ReadWriteOnce'];
  const metadata = { name, namespace: name };
  await shared.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        accessModes,
        capacity: { storage: '1Mi' },
        hostPath: { path: '/tmp' },
        storageClassName: '',
        claimRef: metadata,
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata,
      spec: {
        accessModes,
        storageClassName: '',
        volumeName: name,
        resources: { requests: { storage: '1Mi' } },
      },
    },
  );
  await shared.kubectl('wait', '-n', name, '--for=jsonpath={.status.phase}=Bound', `pvc/${name}`, '--timeout=60s');
  assertRefused(await cli.run(['backup', name]), 5, /claim refusals-hostpath is hostPath/, /StorageClass/);
  await shared.kubectl('delete', 'namespace', name);
  await shared.kubectl('delete', 'pv', name);
});

test('a restore does not touch a namespace that exists', async () => {
  assertRefused(await cli.run(['restore', point]), 5, /Namespace refusals exists/, /kubectl delete namespace/);
  assert.equal(await application.shell('cat /data/greeting'), 'hello\n');
});

test('a folder of this machine is no store for pods', async () => {
  assertRefused(await cli.run(['backup', namespace, '--store', shared.work]), 2, /Pods cannot reach/);
});

test('a claim that no volume is bound to is told as skipped, and comes back as it was', async () => {
  await shared.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'unused', namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  });
  const backup = await cli.run(['backup', namespace, '-o', 'json']);
  assert.equal(backup.code, 0, backup.stderr);
  const { ledger } = JSON.parse(backup.stdout) as { ledger: { point: string; skipped: { what: string }[] } };
  assert.ok(ledger.skipped.some((skip) => skip.what === 'persistentvolumeclaim/unused'));
  await application.destroy();
  const restore = await cli.run(['restore', ledger.point]);
  assert.equal(restore.code, 0, restore.stderr);
  const phase = await shared.kubectl('get', '-n', namespace, 'pvc', 'unused', '-o', 'jsonpath={.status.phase}');
  assert.equal(phase, 'Pending');
});

test('of two backups of an application at once the second is refused; the first is complete', async () => {
  const [one, two] = await Promise.all([cli.run(['backup', namespace]), cli.run(['backup', namespace])]);
  const [first, second] = one.code === 0 ? [one, two] : [two, one];
  assert.equal(first.code, 0, first.stderr);
  assertRefused(second, 5, /Another run is working on application refusals/);
});

function lastLine(text: string): Record<string, unknown> {
  return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
}
