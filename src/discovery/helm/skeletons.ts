import type { KubeObject } from '#api/objects';
import { record, records, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import type { Release } from './releases.ts';

/** The annotation by which an object says that it was not read but concluded from a chart's values. */
export const inferredFrom = 'salvor.dev/inferred-from';

export interface WorkloadSkeleton {
  readonly name: string;
  readonly kind: string;
  readonly replicas?: unknown;
  readonly containers: readonly ContainerSkeleton[];
  readonly initContainers?: readonly ContainerSkeleton[];
  readonly volumes: readonly Fields[];
  readonly claimTemplates?: readonly Fields[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerSkeleton {
  /** Fields of the values: name, image, command, args, env, envFrom, ports. */
  readonly fields: Fields;
  readonly mounts: readonly Fields[];
}

const groups: Readonly<Record<string, string>> = { CronJob: 'batch/v1', Job: 'batch/v1' };

/** A workload as far as the values describe it. */
export function workloadObject(release: Release, skeleton: WorkloadSkeleton): KubeObject {
  const { kind, labels } = skeleton;
  const template = {
    metadata: { labels, annotations: { [inferredFrom]: release.from } },
    spec: {
      containers: skeleton.containers.map(container),
      initContainers: (skeleton.initContainers ?? []).map(container),
      volumes: skeleton.volumes,
    },
  };
  const spec =
    kind === 'CronJob'
      ? { jobTemplate: { spec: { template } } }
      : {
          replicas: skeleton.replicas,
          template,
          ...(kind === 'StatefulSet'
            ? { volumeClaimTemplates: (skeleton.claimTemplates ?? []).map((one) => withAnnotation(one, release)) }
            : {}),
        };
  return { apiVersion: groups[kind] ?? 'apps/v1', kind, metadata: metadataOf(release, skeleton.name), spec };
}

function withAnnotation(template: Fields, release: Release): Fields {
  return { ...template, metadata: { ...record(template['metadata']), annotations: { [inferredFrom]: release.from } } };
}

/** A claim of a chart. */
export function claimObject(release: Release, name: string, fields: Fields): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: metadataOf(release, name),
    spec: {
      storageClassName: text(fields['storageClass']) ?? text(fields['storageClassName']),
      accessModes: [text(fields['accessMode']) ?? 'ReadWriteOnce'],
      resources: { requests: { storage: text(fields['size']) } },
    },
  };
}

function metadataOf(release: Release, name: string): KubeObject['metadata'] {
  return {
    name,
    namespace: release.namespace,
    annotations: { [inferredFrom]: release.from, 'meta.helm.sh/release-name': release.name },
  };
}

function container({ fields, mounts }: ContainerSkeleton): Fields {
  return {
    name: fields['name'],
    image: imageOf(fields['image']),
    command: words(fields['command']),
    args: words(fields['args']),
    env: variables(fields['env']),
    envFrom: records(fields['envFrom']).map(sourceOf),
    ports: fields['ports'],
    volumeMounts: mounts,
  };
}

function imageOf(image: unknown): string | undefined {
  const { registry, repository, tag } = record(image);
  const name = [text(registry), text(repository)].filter((part) => part !== undefined).join('/');
  if (name === '') return text(image);
  return text(tag) === undefined ? name : `${name}:${text(tag) ?? ''}`;
}

function words(value: unknown): unknown {
  return typeof value === 'string' ? value.split(/\s+/) : value;
}

/** Charts take variables as a list, or as a mapping of names to values. */
function variables(env: unknown): Fields[] {
  if (Array.isArray(env)) return records(env).map((one) => one);
  return Object.entries(record(env)).map(([name, value]) =>
    record(value) === value ? { name, ...(value as Fields) } : { name, value },
  );
}

function sourceOf(source: Fields): Fields {
  const secret = text(source['secret']);
  const configMap = text(source['configMap']);
  return {
    ...source,
    ...(secret === undefined ? {} : { secretRef: { name: secret } }),
    ...(configMap === undefined ? {} : { configMapRef: { name: configMap } }),
  };
}
