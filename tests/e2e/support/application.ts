import { waitFor } from '#shared/async';
import { imageNames } from '#lab/setup/images';
import type { TestLab } from './lab.ts';

/** A tiny application: one pod that holds some volumes and does nothing by itself. */
export interface Application {
  readonly namespace: string;
  /** Runs a program in the pod, which must succeed; answers its stdout. */
  exec(...command: string[]): Promise<string>;
  /** Runs a script by bash, with the volumes as /VOLUME. */
  shell(script: string): Promise<string>;
  ready(): Promise<void>;
  /** Deletes the namespace; returns when it and its volumes are gone. */
  destroy(): Promise<void>;
}

const goneTimeoutMs = 120_000;

/** Deploys it and waits until its pod runs. What an earlier test file left under that name is deleted first. */
export async function deployApplication(
  test: TestLab,
  namespace: string,
  volumes: readonly string[],
): Promise<Application> {
  const { kubectl, apply } = test;
  const application: Application = {
    namespace,
    exec: async (...command) => kubectl('exec', '-n', namespace, 'deployment/app', '--', ...command),
    shell: async (script) => kubectl('exec', '-n', namespace, 'deployment/app', '--', 'bash', '-ec', script),
    ready: async () => {
      await kubectl('rollout', 'status', '-n', namespace, 'deployment/app', '--timeout=120s');
    },
    destroy: async () => destroyNamespace(test, namespace),
  };
  await application.destroy();
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...volumes.map((name) => claim(namespace, name)),
    deployment(namespace, volumes),
  );
  await application.ready();
  return application;
}

/** Deletes a namespace; returns when it and its volumes are gone. */
export async function destroyNamespace({ kubectl }: TestLab, namespace: string): Promise<void> {
  await kubectl('delete', 'namespace', namespace, '--ignore-not-found', `--timeout=${goneTimeoutMs / 1000}s`);
  await waitFor(
    async () => {
      const owners = await kubectl('get', 'pv', '-o', 'jsonpath={.items[*].spec.claimRef.namespace}');
      return owners.split(' ').includes(namespace) ? undefined : true;
    },
    { what: `the volumes of ${namespace} to go`, timeoutMs: goneTimeoutMs },
  );
}

function claim(namespace: string, name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
}

function deployment(namespace: string, volumes: readonly string[]): object {
  const labels = { app: 'app' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'app', namespace },
    spec: {
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'app',
              image: imageNames.node,
              imagePullPolicy: 'Never',
              command: ['sleep', 'infinity'],
              volumeMounts: volumes.map((name) => ({ name, mountPath: `/${name}` })),
            },
          ],
          volumes: volumes.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
        },
      },
    },
  };
}
