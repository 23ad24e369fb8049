import assert from 'node:assert/strict';
import { findLayout } from '#lab/cluster/running';
import { waitFor } from '#shared/async';
import type { TestLab } from './lab.ts';

/** The storage driver removes volumes in the background after their claims are gone. */
const settledTimeoutMs = 90_000;

/** What every namespace has from the cluster itself. */
const ownOfNamespace = /^(serviceaccount\/default|configmap\/kube-root-ca\.crt|event\S*\/.*)$/;

/** Asserts that no run left anything in the cluster or in the storage, as soon as deletions have settled. */
export async function assertNothingLeft(test: TestLab): Promise<void> {
  let left: string[] = [];
  await waitFor(
    async () => {
      left = await leftovers(test);
      return left.length === 0 ? true : undefined;
    },
    { what: 'leftovers to go', timeoutMs: settledTimeoutMs, intervalMs: 500 },
  ).catch(() => assert.deepEqual(left, [], 'something was left'));
}

/** Everything that carries Salvor's labels or lies in its namespace, and snapshots and volumes that nothing stands for. */
export async function leftovers({ lab, kubectl }: TestLab): Promise<string[]> {
  const names = async (...args: string[]): Promise<string[]> =>
    (await kubectl('get', ...args, '-o', 'name', '--ignore-not-found')).split('\n').filter((name) => name !== '');
  const resources = (await kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n').join(',');
  const namespaced = (await kubectl('api-resources', '--verbs=list', '--namespaced', '-o', 'name')).trim();
  const [labelled, ofRuns, cuts, own, contents, volumes] = await Promise.all([
    names(resources, '-A', '-l', 'app.kubernetes.io/managed-by=salvor'),
    names(resources, '-A', '-l', 'salvor.dev/run'),
    names('persistentvolumeclaims', '-A', '-l', 'salvor.dev/cut'),
    names(namespaced.split('\n').join(','), '-n', 'salvor-system'),
    names('volumesnapshotcontents,volumegroupsnapshotcontents'),
    kubectl('get', 'persistentvolumes', '-o', 'jsonpath={range .items[*]}{.metadata.name} {.status.phase}{"\\n"}{end}'),
  ]);
  const unbound = volumes.split('\n').filter((line) => line !== '' && !line.endsWith(' Bound'));
  const { pool } = await findLayout(lab.name);
  const inPool = async (folder: string): Promise<string[]> =>
    (await lab.exec(['ls', `${pool}/${folder}`])).stdout.split('\n').filter((name) => name !== '');
  const known = await kubectl('get', 'persistentvolumes', '-o', 'jsonpath={.items[*].spec.csi.volumeHandle}');
  const orphans = (await inPool('volumes')).filter((id) => !known.split(' ').includes(id));
  const found = [...labelled, ...ofRuns, ...cuts, ...contents, ...own.filter((name) => !ownOfNamespace.test(name))];
  return [
    ...new Set(found.filter((name) => name !== 'namespace/salvor-system')),
    ...unbound.map((line) => `persistentvolume/${line}`),
    ...orphans.map((id) => `volume in the storage/${id}`),
    ...(await inPool('snapshots')).map((id) => `snapshot in the storage/${id}`),
    ...(await inPool('groups')).map((id) => `group of snapshots in the storage/${id}`),
  ];
}
