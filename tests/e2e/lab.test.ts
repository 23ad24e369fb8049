/** The lab itself: what everything else is tested on must hold first. Needs root; builds what it needs on the first run. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { before, after, test } from 'node:test';
import { waitFor } from '#shared/async';
import { layoutOf } from '#lab/cluster/layout';
import { findPlace } from '#lab/cluster/registry';
import { openLab, type Lab } from '#lab/lab';
import { imageNames } from '#lab/setup/images';
import { textProgress } from '#lab/setup/progress';

const onProgress = textProgress((line) => process.stderr.write(line));
const first = await openLab({ name: 'e2e-first', onProgress });
const second = await openLab({ name: 'e2e-second', onProgress });

before(() => first.up());
after(async () => {
  await second.down({ purge: true });
  await first.down({ purge: true });
});

test('every component of a lab that is up is ready', async () => {
  const report = await first.status();
  assert.deepEqual(
    report.components.filter((component) => !component.ready),
    [],
  );
  assert.ok(report.ready);
});

test('a second up changes nothing', async () => {
  const pids = async (): Promise<unknown> =>
    (await first.status()).components.map(({ name, pid, restarts }) => ({ name, pid, restarts }));
  const known = await pids();
  await first.up();
  assert.deepEqual(await pids(), known);
});

test('a pod writes to a volume of its own, resolves names and reaches the store, and nothing outside', async () => {
  await applied(first, writerPod);
  await kubectl(first, ['wait', '--for=condition=Ready', 'pod/writer', '--timeout=120s']);
  assert.equal((await kubectl(first, ['exec', 'writer', '--', 'wc', '-l', '/data/starts'])).trim(), '1 /data/starts');
  assert.match(
    await kubectl(first, ['exec', 'writer', '--', 'getent', 'hosts', 'kubernetes.default.svc']),
    /^10\.96\.0\.1\s/,
  );
  assert.equal(await fetchFrom(first, await insideAddress(first)), '403');
  // An address of the documentation range: there must be no route, so the answer is immediate.
  assert.match(await fetchFrom(first, 'http://192.0.2.1/'), /ENETUNREACH/);
});

test('the status names a component that was killed, and up waits until it is back', async () => {
  await first.stopComponent('store');
  const broken = await first.status();
  assert.equal(broken.ready, false);
  const store = broken.components.find(({ name }) => name === 'store');
  assert.equal(store?.reason, 'was stopped on request');
  await first.startComponent('store');
  await first.up();
  assert.ok((await first.status()).ready);
});

test('a component that dies is started again by itself', async () => {
  const find = async (): Promise<{ pid?: number; restarts: number } | undefined> =>
    (await first.status()).components.find(({ name }) => name === 'kube-scheduler');
  const victim = await find();
  // The id is that of the lab's own process namespace.
  await first.exec(['kill', '-KILL', String(victim?.pid)]);
  const again = await waitFor(
    async () => {
      const now = await find();
      return now !== undefined && now.restarts > (victim?.restarts ?? 0) && now.pid !== undefined ? now : undefined;
    },
    { what: 'the scheduler to be started again', timeoutMs: 60_000 },
  );
  assert.notEqual(again.pid, victim?.pid);
  await first.up();
});

test('two labs reach each other’s store from their pods, also when one has started again', async () => {
  await second.up();
  assert.equal(await fetchFrom(first, await insideAddress(second)), '403');
  await applied(second, writerPod);
  await kubectl(second, ['wait', '--for=condition=Ready', 'pod/writer', '--timeout=120s']);
  assert.equal(await fetchFrom(second, await insideAddress(first)), '403');
  await second.killInit();
  await second.up();
  assert.equal(await fetchFrom(first, await insideAddress(second)), '403');
});

test('a lab whose init is killed leaves nothing but empty cgroups, and comes back with its pods and data', async () => {
  await first.killInit();
  const { cgroups: _cgroups, ...others } = await first.leftovers();
  assert.deepEqual(others, nothing);
  assert.equal((await first.status()).ready, false);
  await first.up();
  const starts = await waitFor(
    async () => {
      const { code, stdout } = await first.kubectl(['exec', 'writer', '--', 'wc', '-l', '/data/starts']);
      return code === 0 && !stdout.startsWith('1 ') ? stdout.trim() : undefined;
    },
    { what: 'the pod to run again', timeoutMs: 120_000 },
  );
  assert.equal(starts, '2 /data/starts');
});

test('a lab that runs but does not answer is started again by up', async () => {
  const pidOf = async (component: string): Promise<number> =>
    (await first.status()).components.find(({ name }) => name === component)?.pid ??
    assert.fail(`${component} has no process`);
  const etcd = await pidOf('etcd');
  const startOf = async (): Promise<string> => (await first.exec(['stat', '--format=%y', '/proc/1'])).stdout;
  const started = await startOf();
  // The supervisor is etcd's parent; stopped like this it lives and is silent.
  const supervisor = (await first.exec(['ps', '--no-headers', '-o', 'ppid', '-p', String(etcd)])).stdout.trim();
  assert.equal((await first.exec(['kill', '-STOP', supervisor])).code, 0);
  await first.up();
  assert.ok((await first.status()).ready);
  assert.notEqual(await startOf(), started);
});

test('an init that an interrupted up started and did not note is ended by the next up', async () => {
  await rm(layoutOf((await findPlace('e2e-second')) ?? assert.fail()).pidFile);
  assert.equal((await second.status()).ready, false);
  assert.notDeepEqual((await second.leftovers()).processes, []);
  await second.up();
  assert.ok((await second.status()).ready);
});

test('after down nothing of a lab is left on the machine', async () => {
  await second.down();
  const { cgroups, ...others } = await second.leftovers();
  assert.deepEqual(others, nothing);
  assert.deepEqual(cgroups, []);
});

const nothing = { processes: [], mounts: [], loopDevices: [], links: [], packetRules: [] };

const writerPod = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'writer' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'writer' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'writer',
            image: imageNames.node,
            imagePullPolicy: 'Never',
            command: ['sh', '-c', 'date >> /data/starts && sync && exec sleep infinity'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'writer' } }],
      },
    },
  ],
};

async function applied(lab: Lab, objects: unknown): Promise<void> {
  const { code, stderr } = await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify(objects) });
  assert.equal(code, 0, stderr);
}

async function kubectl(lab: Lab, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await lab.kubectl(args);
  assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** What a pod of the lab gets from an address: the HTTP status or the error code. The store answers 403 to a stranger. */
async function fetchFrom(lab: Lab, address: string): Promise<string> {
  const program = `fetch(${JSON.stringify(address)}).then((r) => console.log(r.status), (e) => console.log(e.cause?.code))`;
  return (await kubectl(lab, ['exec', 'writer', '--', 'node', '-e', program])).trim();
}

async function insideAddress(lab: Lab): Promise<string> {
  return new URL((await lab.store()).url).searchParams.get('endpoint') ?? '';
}
