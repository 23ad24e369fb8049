/** A scan of the running cluster: with few rights, with none, and with credentials that are no longer good. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { deployApplication } from './support/application.ts';
import type { Application } from './support/application.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertRefused } from './support/salvor-run.ts';

const namespace = 'scan';
/** In no object that a scan prints, unless it prints values of Secrets. */
const secretValue = 'correct-horse-battery-staple';
let shared: TestLab;
let application: Application;
let cli: SalvorCli;

interface ScanOutput {
  readonly assets: readonly {
    readonly id: string;
    readonly judgement: { readonly verdict: string; readonly rule: string };
  }[];
  readonly unseen: readonly { readonly what: string; readonly reason: string }[];
}

before(async () => {
  shared = await openTestLab();
  application = await deployApplication(shared, namespace, ['data', 'scratch-cache', 'modules', 'empty']);
  await application.shell(`mkdir -p /scratch-cache/pg/global /modules/node_modules/left-pad
    echo 16 > /scratch-cache/pg/PG_VERSION
    printf 'SQLite format 3\\0' > /data/app.db`);
  await shared.apply(
    object('v1', 'Secret', 'login', { stringData: { password: secretValue } }),
    object('v1', 'ServiceAccount', 'reader'),
    object('v1', 'ServiceAccount', 'nobody'),
    object('rbac.authorization.k8s.io/v1', 'Role', 'reader', {
      rules: [
        { apiGroups: [''], resources: ['pods', 'persistentvolumeclaims', 'services'], verbs: ['get', 'list'] },
        { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets'], verbs: ['get', 'list'] },
      ],
    }),
    object('rbac.authorization.k8s.io/v1', 'RoleBinding', 'reader', {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace }],
    }),
  );
  cli = await shared.salvor('scan');
});
after(async () => {
  await application.destroy();
  await shared[Symbol.asyncDispose]();
});

test('a scan with all rights changes nothing and prints no value of a Secret', async () => {
  const versions = async (): Promise<string> =>
    shared.kubectl(
      'get',
      'all,pvc,secret,configmap',
      '-n',
      namespace,
      '-o',
      'jsonpath={.items[*].metadata.resourceVersion}',
    );
  const earlier = await versions();
  for (const format of ['table', 'wide', 'json', 'yaml', 'csv', 'html', 'dot', 'name']) {
    const { code, stdout, stderr } = await cli.run(['scan', '-n', namespace, '-o', format]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /data/);
    for (const value of [secretValue, Buffer.from(secretValue).toString('base64')])
      assert.ok(!stdout.includes(value) && !stderr.includes(value), format);
  }
  assert.equal(await versions(), earlier);
});

test('with --probe a volume is known by the files that are in it', async () => {
  const { code, stdout, stderr } = await cli.run(['scan', '-n', namespace, '--probe', '-o', 'json']);
  assert.equal(code, 0, stderr);
  const { assets } = JSON.parse(stdout) as ScanOutput;
  const found = assets.filter(({ id }) => id.startsWith(`${namespace}/volume/`));
  const told = new Map(found.map(({ id, judgement }) => [id.split('/')[2], `${judgement.verdict} ${judgement.rule}`]));
  assert.equal(told.get('scratch-cache'), 'Protect foundInside');
  assert.equal(told.get('data'), 'Protect foundInside');
  assert.equal(told.get('modules'), 'Regenerable cache');
  assert.equal(told.get('empty'), 'Protect lasting');
  const why = await cli.run(['why', `${namespace}/scratch-cache`, '--probe']);
  assert.match(why.stdout, /PostgreSQL/);
  assert.match(why.stdout, /PG_VERSION, global/);
});

test('who may not look inside is told so, and sees all else', async () => {
  const env = await environmentOf('reader');
  const { code, stdout, stderr } = await cli.run(['scan', '-n', namespace, '--probe', '-o', 'json'], { env });
  assert.equal(code, 0, stderr);
  const { unseen } = JSON.parse(stdout) as ScanOutput;
  assert.match(unseen.find(({ what }) => what === `inside of volumes in ${namespace}`)?.reason ?? '', /403/);
});

test('who may list little sees the volume, and what could not be seen is named and counts as unknown', async () => {
  const env = await environmentOf('reader');
  const { code, stdout, stderr } = await cli.run(['scan', '-n', namespace, '-o', 'json'], { env });
  assert.equal(code, 0, stderr);
  const { assets, unseen } = JSON.parse(stdout) as ScanOutput;
  assert.equal(assets.find(({ id }) => id === `${namespace}/volume/data`)?.judgement.verdict, 'Protect');
  for (const kind of ['secrets', 'configmaps'])
    assert.ok(
      unseen.some(({ what }) => what.includes(kind)),
      `${kind} not told: ${JSON.stringify(unseen)}`,
    );
  for (const what of ['unprotected', 'unknown']) {
    const failed = await cli.run(['scan', '-n', namespace, '--fail-on', what], { env });
    assert.equal(failed.code, 3, failed.stderr);
  }
});

test('who may list nothing is refused, with the remedy', async () => {
  assertRefused(await cli.run(['scan', '-n', namespace], { env: await environmentOf('nobody') }), 13, /list/);
});

test('a token that is not good, a context that is not there and a server that does not listen are told apart', async () => {
  const expired = await environmentOf('reader', 'not-a-token');
  assertRefused(await cli.run(['scan'], { env: expired }), 13, /token|credentials|Unauthorized|401/i);
  assertRefused(await cli.run(['scan', '--context', 'nowhere']), 13, /nowhere/);
  const env = { KUBECONFIG: join(shared.work, 'none.kubeconfig') };
  assertRefused(await cli.run(['scan'], { env }), 13, /none\.kubeconfig|kubeconfig/i);
});

function object(apiVersion: string, kind: string, name: string, more: object = {}): object {
  return { apiVersion, kind, metadata: { name, namespace }, ...more };
}

/** The lab as a service account sees it. */
async function environmentOf(account: string, token?: string): Promise<{ KUBECONFIG: string }> {
  const path = join(shared.work, `${account}${token === undefined ? '' : '-bad'}.kubeconfig`);
  const raw = await shared.kubectl('config', 'view', '--raw', '--flatten', '-o', 'json');
  const config = JSON.parse(raw) as { users: { user: object }[] };
  const good = token ?? (await shared.kubectl('create', 'token', account, '-n', namespace)).trim();
  for (const entry of config.users) entry.user = { token: good };
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return { KUBECONFIG: path };
}
