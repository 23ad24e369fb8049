import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Asset, Meaning } from '#api/asset';
import { endpointText, endpointsIn } from './endpoints.ts';
import { discover } from './discover.ts';
import { snapshotOfFiles } from './snapshot/manifests.ts';
import { discoverText } from './testing.ts';

interface Pod {
  readonly kind?: string;
  readonly name?: string;
  readonly container: object;
  readonly volumes?: readonly object[];
  readonly spec?: object;
}

/** A workload of one container, as JSON, which is YAML as well. */
const workload = ({ kind = 'Deployment', name = 'app', container, volumes = [], spec = {} }: Pod): string => {
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'c', ...container }], volumes },
  };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: 'n' },
    spec: kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template, ...spec },
  });
};
const claim = (claimName: string) => ({ name: 'v', persistentVolumeClaim: { claimName } });
const mount = (mountPath: string, more: object = {}) => ({ volumeMounts: [{ name: 'v', mountPath, ...more }] });
const find = (assets: readonly Asset[], id: string): Asset => {
  const asset = assets.find((one) => one.id === id);
  assert.ok(asset !== undefined, `${id} is not among ${assets.map((one) => one.id).join(', ')}`);
  return asset;
};
const meanings = (assets: readonly Asset[], id: string): Meaning[] => find(assets, id).signs.map((sign) => sign.means);

test('a server is known by its command and port when neither image nor names say anything', () => {
  const assets = discoverText(
    workload({
      name: 'x',
      container: {
        image: 'registry.internal/a/b:1',
        command: ['mongod', '--dbpath', '/x'],
        ports: [{ containerPort: 27017 }],
        ...mount('/x'),
      },
      volumes: [claim('stuff')],
    }),
  );
  assert.equal(find(assets, 'n/database/x').engine?.name, 'MongoDB');
  assert.equal(meanings(assets, 'n/volume/stuff').includes('server-files'), true);
});

test('a client with the image of a server is no server', () => {
  const dump = {
    image: 'postgres:16',
    command: ['sh', '-c', 'while true; do pg_dump -h db > /b/x.sql; sleep 3600; done'],
    ...mount('/b'),
  };
  for (const pod of [
    workload({ kind: 'CronJob', container: dump, volumes: [claim('b')] }),
    workload({ container: dump, volumes: [claim('b')] }),
  ])
    assert.deepEqual(
      discoverText(pod).filter((asset) => asset.kind === 'database'),
      [],
    );
});

test('every member of a StatefulSet has its claim, and members that know each other are copies of one', () => {
  const etcd = (command: readonly string[]): string =>
    workload({
      kind: 'StatefulSet',
      name: 'kv',
      container: {
        image: 'quay.io/coreos/etcd:v3.5.9',
        command,
        volumeMounts: [{ name: 'd', mountPath: '/var/lib/etcd' }],
      },
      spec: { replicas: 3, volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: {} }] },
    });
  const members = discoverText(etcd(['etcd', '--initial-cluster=kv-0=http://kv-0:2380,kv-1=http://kv-1:2380']));
  assert.equal(meanings(members, 'n/volume/d-kv-0').includes('replica'), false);
  assert.equal(find(members, 'n/volume/d-kv-2').signs.find((sign) => sign.means === 'replica')?.of, 'n/volume/d-kv-0');
  assert.equal(meanings(discoverText(etcd(['etcd'])), 'n/volume/d-kv-2').includes('replica'), false);
});

test('storage that a resource of an unknown operator asks for is found, unless its claim is seen', () => {
  const resource =
    '{"apiVersion":"db.example.com/v1","kind":"Graph","metadata":{"name":"g","namespace":"n"},"spec":{"storage":{"size":"5Gi"}}}';
  const claimed =
    '{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data-g-0","namespace":"n"},"spec":{}}';
  assert.equal(meanings(discoverText(resource), 'n/volume/g').includes('persistent'), true);
  assert.equal(
    discoverText(`${resource}\n---\n${claimed}`).some((asset) => asset.id === 'n/volume/g'),
    false,
  );
});

test('shards are no copies', () => {
  const kafka = workload({
    kind: 'StatefulSet',
    name: 'log',
    container: { image: 'apache/kafka:3.9', volumeMounts: [{ name: 'd', mountPath: '/var/lib/kafka' }] },
    spec: { replicas: 3, volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: {} }] },
  });
  for (const ordinal of [0, 1, 2])
    assert.equal(meanings(discoverText(kafka), `n/volume/d-log-${ordinal}`).includes('replica'), false);
});

test('a cache by its place is one only if nothing says that a program keeps its data there', () => {
  const cached = (env: readonly object[]): Meaning[] =>
    meanings(
      discoverText(workload({ container: { image: 'acme/web', env, ...mount('/srv/cache') }, volumes: [claim('v1')] })),
      'n/volume/v1',
    );
  assert.equal(cached([]).includes('cache'), true);
  assert.equal(cached([{ name: 'DATA_DIR', value: '/srv/cache' }]).includes('cache'), false);
});

test('a volume is a cache only if all who write to it use it so', () => {
  const assets = discoverText(
    workload({ name: 'a', container: { image: 'acme/a', ...mount('/var/cache/a') }, volumes: [claim('both')] }),
    workload({ name: 'b', container: { image: 'acme/b', ...mount('/uploads') }, volumes: [claim('both')] }),
  );
  assert.equal(meanings(assets, 'n/volume/both').includes('cache'), false);
});

test('a model that is served by its path was put there by somebody', () => {
  const served = (args: readonly string[]): Meaning[] =>
    meanings(
      discoverText(
        workload({ container: { image: 'vllm/vllm-openai:v0.6', args, ...mount('/models') }, volumes: [claim('m')] }),
      ),
      'n/volume/m',
    );
  assert.equal(served(['--model', 'mistralai/Mistral-7B']).includes('download'), true);
  assert.equal(served(['--model', '/models/ours']).includes('download'), false);
});

test('a pod template is found wherever a custom resource keeps it', () => {
  const job = JSON.stringify({
    apiVersion: 'kubeflow.org/v1',
    kind: 'PyTorchJob',
    metadata: { name: 't', namespace: 'n' },
    spec: {
      pytorchReplicaSpecs: {
        Worker: {
          template: {
            spec: {
              containers: [{ name: 'p', image: 'x', args: ['--output_dir', '/out'], ...mount('/out') }],
              volumes: [claim('cache')],
            },
          },
        },
      },
    },
  });
  assert.equal(meanings(discoverText(job), 'n/volume/cache').includes('trained'), true);
});

test('a database outside is found by its address, without its password', () => {
  const assets = discoverText(
    workload({
      container: {
        image: 'acme/web',
        env: [{ name: 'DATABASE_URL', value: 'postgres://u:hunter2@prod.abc.eu-west-1.rds.amazonaws.com/app' }],
      },
    }),
  );
  const outside = find(assets, 'n/database/prod.abc.eu-west-1.rds.amazonaws.com');
  assert.equal(outside.signs[0]?.means, 'external');
  assert.doesNotMatch(JSON.stringify(assets), /hunter2/);
});

test('addresses are read in the ways that programs write them', () => {
  const read = (value: string): string[] => endpointsIn(value).map(endpointText);
  assert.deepEqual(read('mongodb://u:p/w@a:27017,b:27018/db?x=y'), ['mongodb://a:27017/db', 'mongodb://b:27018/db']);
  assert.deepEqual(read('jdbc:postgresql://db:5432/app'), ['postgresql://db:5432/app']);
  assert.deepEqual(read('u:p@tcp(db:3306)/app'), ['mysql://db:3306/app']);
  assert.deepEqual(read('host=db port=5432 dbname=app'), ['db:5432']);
  assert.deepEqual(read('a time like 12:30'), []);
});

test('owners that own each other end the search for an operator', () => {
  const owned = (name: string, owner: string): string =>
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: {
        name,
        namespace: 'n',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: owner, uid: owner, controller: true }],
      },
      spec: { template: { spec: { containers: [{ name: 'c', image: 'redis:7' }] } } },
    });
  assert.deepEqual(
    discoverText(owned('a', 'b'), owned('b', 'a')).filter((asset) => asset.kind === 'volume'),
    [],
  );
});

test('values of a HelmRelease say which volumes the chart will have', () => {
  const release = JSON.stringify({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'cloud', namespace: 'n' },
    spec: {
      chart: { spec: { chart: 'nextcloud' } },
      values: {
        persistence: { enabled: true, size: '9Gi' },
        postgresql: { enabled: true, primary: { persistence: { size: '2Gi' } } },
        redis: { enabled: true, master: { persistence: { enabled: false } } },
      },
    },
  });
  const assets = discoverText(release);
  assert.equal(find(assets, 'n/volume/cloud').sizeBytes, 9 * 2 ** 30);
  assert.equal(find(assets, 'n/database/cloud-postgresql').inferredFrom, 'helmrelease/cloud');
  assert.equal(meanings(assets, 'n/database/cloud-redis').includes('not-durable'), true);
});

test('values of app-template say which container sees which claim', () => {
  const release = JSON.stringify({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'tv', namespace: 'n' },
    spec: {
      chart: { spec: { chart: 'app-template' } },
      values: {
        controllers: { tv: { containers: { app: { image: { repository: 'acme/tv', tag: 1 } } } } },
        persistence: {
          config: { existingClaim: 'tv-config' },
          cache: { existingClaim: 'tv-cache', globalMounts: [{ path: '/config/cache' }] },
          tmp: { type: 'emptyDir' },
        },
      },
    },
  });
  const assets = discoverText(release);
  assert.deepEqual(
    find(assets, 'n/volume/tv-config').volume?.mounts.map((one) => one.path),
    ['/config'],
  );
  assert.equal(meanings(assets, 'n/volume/tv-cache').includes('cache'), true);
  assert.equal(meanings(assets, 'n/volume/tv-tmp').includes('scratch'), true);
});

test('charts that bundle others, and kustomizations that inflate charts, say what will run', () => {
  const snapshot = snapshotOfFiles([
    { path: 'apps/wiki/Chart.yaml', content: 'apiVersion: v2\nname: wiki\ndependencies: [{ name: postgresql }]\n' },
    { path: 'apps/wiki/values.yaml', content: 'postgresql: { primary: { persistence: { size: 3Gi } } }\n' },
    {
      path: 'apps/git/kustomization.yaml',
      content: 'namespace: git\nhelmCharts: [{ name: gitea, releaseName: git, valuesFile: v.yaml }]\n',
    },
    { path: 'apps/git/v.yaml', content: 'persistence: { size: 4Gi, enabled: true }\n' },
  ]);
  const { assets } = discover(snapshot);
  assert.equal(find(assets, 'wiki/database/wiki').sizeBytes, 3 * 2 ** 30);
  assert.equal(find(assets, 'git/volume/git').sizeBytes, 4 * 2 ** 30);
});

test('a static volume and the claim that it will be bound to are one asset', () => {
  const volume = JSON.stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv' },
    spec: { storageClassName: 'manual', capacity: { storage: '10Gi' }, hostPath: { path: '/srv' } },
  });
  const claimed = JSON.stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c', namespace: 'n' },
    spec: { storageClassName: 'manual', resources: { requests: { storage: '10Gi' } } },
  });
  const assets = discoverText(volume, claimed).filter((asset) => asset.kind === 'volume');
  assert.deepEqual(
    assets.map((asset) => [asset.id, asset.volume?.driver]),
    [['n/volume/c', 'hostPath']],
  );
  assert.deepEqual(
    discoverText(volume)
      .map((asset) => asset.id)
      .filter((id) => id.includes('volume')),
    ['-/volume/pv'],
  );
});

test('a Secret that SOPS has encrypted needs a key that is not in the repository', () => {
  const secret = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'n' },
    stringData: { a: 'ENC[x]' },
    sops: { mac: 'ENC[y]', age: [{ recipient: 'age1' }] },
  });
  assert.deepEqual(meanings(discoverText(secret), '-/key/sops-age'), ['crown-jewel']);
});

test('a policy of the network that lets certain pods in to a database tells who uses it; one that lets all in tells nothing', () => {
  const policy = (from: object): string =>
    JSON.stringify({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'db', namespace: 'n' },
      spec: { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [from] }] },
    });
  const usesOf = (from: object): string[] =>
    discover(
      snapshotOfFiles([
        { path: 'db.yaml', content: workload({ name: 'db', container: { image: 'postgres:16' } }) },
        { path: 'web.yaml', content: workload({ name: 'web', container: { image: 'acme/web' } }) },
        { path: 'policy.yaml', content: policy(from) },
      ]),
    )
      .relations.filter(({ type }) => type === 'uses')
      .map(({ from: user, to }) => `${user} ${to}`);
  assert.deepEqual(usesOf({ podSelector: { matchLabels: { app: 'web' } } }), ['n/deployment/web n/database/db']);
  assert.deepEqual(usesOf({ podSelector: {} }), []);
  assert.deepEqual(
    usesOf({ podSelector: { matchLabels: { app: 'web' } }, namespaceSelector: { matchLabels: { x: 'y' } } }),
    [],
  );
});
