/** Awkward file trees and all sorts of objects come back equal, by Salvor and by restic alone. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { Ledger } from '#api/ledger';
import { imageNames } from '#lab/setup/images';
import { run } from '#lab/setup/run';
import { resticOn } from '#lab/scenarios/salvor';
import type { SalvorCli } from '#lab/scenarios/salvor';
import { destroyNamespace } from './support/application.ts';
import { describeTree, makeAwkwardTree } from './support/awkward-tree.ts';
import { openTestLab } from './support/lab.ts';
import type { TestLab } from './support/lab.ts';
import { assertNothingLeft } from './support/leftovers.ts';
import { customDefinition, portableObjects, treesObjects } from './support/trees-objects.ts';

const namespace = 'trees';
let shared: TestLab;
let cli: SalvorCli;
const ledgers: Ledger[] = [];

before(async () => {
  shared = await openTestLab();
  await destroyNamespace(shared, namespace);
  await shared.apply(customDefinition);
  await shared.kubectl('wait', '--for=condition=Established', 'crd/wombats.e2e.example', '--timeout=60s');
  await shared.apply(...treesObjects(namespace, imageNames.node));
  await ready();
  cli = await shared.salvor('trees');
});
after(async () => {
  await destroyNamespace(shared, namespace);
  await shared.kubectl('delete', 'crd', 'wombats.e2e.example', '--ignore-not-found');
  await shared[Symbol.asyncDispose]();
});

test('a backup of it is complete', async () => {
  await shell(makeAwkwardTree);
  ledgers.push(await backup());
});

test('a second backup stores next to nothing, and both are listed in every format', async () => {
  ledgers.push(await backup());
  const [first, second] = ledgers.map((ledger) => ledger.assets.find((asset) => asset.name === 'tree-app-0'));
  assert.ok((first?.storedBytes ?? 0) > 16_000_000);
  assert.ok((second?.storedBytes ?? Infinity) < 100_000, `stored ${second?.storedBytes} bytes`);
  assert.deepEqual(second?.captured, first?.captured);

  const names = ledgers.map((ledger) => ledger.point);
  const get = async (format: string): Promise<string> => (await cli.run(['get', 'rp', '-o', format])).stdout;
  assert.deepEqual(
    (await get('name')).trim().split('\n'),
    names.map((name) => `recoverypoint/${name}`),
  );
  const asJson = JSON.parse(await get('json')) as { name: string; result: string }[];
  assert.deepEqual(
    asJson.map((point) => [point.name, point.result]),
    names.map((name) => [name, 'Complete']),
  );
  assert.deepEqual(parse(await get('yaml')), asJson);
  for (const name of names) {
    assert.match(await get('table'), new RegExp(`^${name} +trees +Complete `, 'm'));
    const described = await cli.run(['describe', 'rp', name]);
    assert.match(described.stdout, /^tree-app-0 .* Captured$/m);
    assert.deepEqual(
      (JSON.parse((await cli.run(['describe', 'rp', name, '-o', 'json'])).stdout) as Ledger).point,
      name,
    );
  }
});

test('after the namespace and its volumes are deleted, files and objects come back as they were', async () => {
  const files = await shell(describeTree);
  const objects = await portableObjects(shared, namespace);
  await destroyNamespace(shared, namespace);
  await shared.kubectl('delete', 'crd', 'wombats.e2e.example');
  const { code, stdout, stderr } = await cli.run(['restore', lastPoint(), '-o', 'json']);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  await ready();
  assert.deepEqual((await shell(describeTree)).split('\n'), files.split('\n'));
  assert.equal(stringify(await portableObjects(shared, namespace)), stringify(objects));
  await assertNothingLeft(shared);
});

test('restic alone lists, dumps and restores the same files and objects', async () => {
  const restic = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await resticOn(cli, args);
    assert.equal(code, 0, `restic ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const listed = await restic('ls', 'latest');
  for (const path of [
    'objects/configmaps/settings.yaml',
    'cluster/customresourcedefinitions.apiextensions.k8s.io',
    'volumes/tree-app-0/ünïcödé-日本-🦭',
  ])
    assert.ok(listed.includes(`/${namespace}/${path}`), path);
  const dumped = parse(await restic('dump', 'latest', `/${namespace}/objects/configmaps/settings.yaml`)) as object;
  const stored = treesObjects(namespace, '').find((object) => object.metadata.name === 'settings');
  assert.partialDeepStrictEqual(dumped, { ...stored });

  const target = join(shared.work, 'by-restic');
  await mkdir(target);
  await restic('restore', 'latest', '--target', target, '--include', `/${namespace}/volumes/tree-app-0`);
  const cwd = join(target, namespace, 'volumes', 'tree-app-0');
  const { code, stdout, stderr } = await run(['bash', '-ec', describeTree], { cwd });
  assert.equal(code, 0, stderr);
  // Debian's restic has no --sparse: it writes the zeros; and it reads targets of links as UTF-8 only.
  const known = (line: string): boolean => !line.startsWith('latin-link|');
  assert.deepEqual(
    `${stdout}sparse\n`.split('\n').filter(known),
    (await shell(describeTree)).split('\n').filter(known),
  );
});

test('restic finds nothing wrong with the repository', async () => {
  const { code, stdout, stderr } = await resticOn(cli, ['check', '--read-data']);
  assert.equal(code, 0, `${stdout}${stderr}`);
});

async function backup(): Promise<Ledger> {
  const { code, stdout, stderr } = await cli.run(['backup', namespace, '-o', 'json']);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return (JSON.parse(stdout) as { ledger: Ledger }).ledger;
}

function lastPoint(): string {
  return ledgers.at(-1)?.point ?? assert.fail('there was no backup');
}

async function ready(): Promise<void> {
  await shared.kubectl('rollout', 'status', '-n', namespace, 'statefulset/app', '--timeout=120s');
}

async function shell(script: string): Promise<string> {
  return shared.kubectl('exec', '-n', namespace, 'app-0', '--', 'bash', '-ec', `cd /tree\n${script}`);
}
