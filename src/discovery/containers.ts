import type { Evidence } from '#api/asset';
import type { KubeObject } from '#api/objects';
import type { Endpoint } from './endpoints.ts';
import { endpointsIn } from './endpoints.ts';
import { at, integer, record, records, text, textMap, texts } from './fields.ts';
import type { Fields } from './fields.ts';
import { secretFacts } from './snapshot/redact.ts';
import { nameOf } from './snapshot/snapshot.ts';
import type { ObjectIndex } from './snapshot/snapshot.ts';

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly init: boolean;
  readonly command: readonly string[];
  readonly variables: readonly Variable[];
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly mounts: readonly VolumeMount[];
  /** Texts of scripts and settings from ConfigMaps that the container sees. */
  readonly files: readonly ConfigFile[];
  readonly probes: string;
  readonly path: string;
}

export interface ConfigFile {
  readonly configMap: string;
  readonly key: string;
  readonly content: string;
  /** Where it is mounted. */
  readonly mountPath: string;
}

export interface VolumeMount {
  readonly volume: string;
  readonly path: string;
  readonly subPath?: string | undefined;
  readonly readOnly: boolean;
}

export interface Variable {
  readonly name: string;
  /** Missing when it comes from a Secret. */
  readonly value?: string | undefined;
  /** `secret/orders-db`, `configmap/shop`, with the key. */
  readonly from?: string | undefined;
  readonly key?: string | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly evidence: Evidence;
}

/** Where a container is written, and what its references lead to. */
export interface ContainerPlace {
  readonly object: KubeObject;
  readonly namespace: string;
  readonly volumes: readonly Fields[];
  readonly index: ObjectIndex;
  readonly path: string;
  readonly init: boolean;
}

/** Reads one container of a pod template. */
export function containerOf(fields: Fields, place: ContainerPlace): Container {
  const mounts = [
    ...records(fields['volumeMounts']).map((mount) => ({
      volume: text(mount['name']) ?? '',
      path: text(mount['mountPath']) ?? '',
      subPath: text(mount['subPath']) ?? text(mount['subPathExpr']),
      readOnly: mount['readOnly'] === true,
    })),
    ...records(fields['volumeDevices']).map((device) => ({
      volume: text(device['name']) ?? '',
      path: text(device['devicePath']) ?? '',
      readOnly: false,
    })),
  ];
  return {
    name: text(fields['name']) ?? '',
    image: imageText(fields['image']),
    init: place.init,
    command: [...texts(fields['command']), ...texts(fields['args'])],
    variables: variablesOf(fields, place),
    ports: records(fields['ports']).map((port) => ({
      name: text(port['name']) ?? '',
      port: integer(port['containerPort']) ?? 0,
    })),
    mounts,
    files: configFiles(mounts, place),
    probes: [fields['readinessProbe'], fields['livenessProbe'], fields['startupProbe']]
      .flatMap((probe) => texts(at(probe, 'exec', 'command')))
      .join(' '),
    path: place.path,
  };
}

/** Some custom resources and charts write an image as {repository, tag}. */
function imageText(value: unknown): string {
  const repository = text(record(value)['repository']);
  return repository === undefined ? (text(value) ?? '') : `${repository}:${text(record(value)['tag']) ?? ''}`;
}

function variablesOf(fields: Fields, place: ContainerPlace): Variable[] {
  const base = { object: nameOf(place.object), namespace: place.namespace };
  const variables: Variable[] = [];
  for (const [at_, source] of records(fields['envFrom']).entries()) {
    const evidence = (value: string): Evidence => ({ ...base, field: `${place.path}.envFrom[${at_}]`, value });
    const configMap = text(at(source, 'configMapRef', 'name'));
    const secret = text(at(source, 'secretRef', 'name'));
    if (configMap !== undefined) variables.push(...fromConfigMap(configMap, undefined, evidence, place));
    if (secret !== undefined) variables.push(...fromSecret(secret, undefined, evidence, place));
  }
  for (const [at_, variable] of records(fields['env']).entries()) {
    const name = text(variable['name']) ?? '';
    const value = text(variable['value']);
    const evidence = (shown: string): Evidence => ({
      ...base,
      field: `${place.path}.env[${at_}]`,
      value: `${name}=${shown}`,
    });
    const configMap = text(at(variable, 'valueFrom', 'configMapKeyRef', 'name'));
    const secret = text(at(variable, 'valueFrom', 'secretKeyRef', 'name'));
    if (value !== undefined)
      variables.push({ name, value, endpoints: endpointsIn(value), evidence: evidence(value.slice(0, 200)) });
    else if (configMap !== undefined)
      variables.push(
        ...fromConfigMap(
          configMap,
          { name, key: text(at(variable, 'valueFrom', 'configMapKeyRef', 'key')) ?? '' },
          evidence,
          place,
        ),
      );
    else if (secret !== undefined)
      variables.push(
        ...fromSecret(
          secret,
          { name, key: text(at(variable, 'valueFrom', 'secretKeyRef', 'key')) ?? '' },
          evidence,
          place,
        ),
      );
  }
  return variables;
}

interface KeyWanted {
  readonly name: string;
  readonly key: string;
}

type MakeEvidence = (value: string) => Evidence;

function fromConfigMap(
  configMap: string,
  wanted: KeyWanted | undefined,
  evidence: MakeEvidence,
  place: ContainerPlace,
): Variable[] {
  const data = textMap(place.index.get('ConfigMap', place.namespace, configMap)?.['data']);
  const from = `configmap/${configMap}`;
  const keys = wanted === undefined ? Object.keys(data).map((key) => ({ name: key, key })) : [wanted];
  return keys.map(({ name, key }) => {
    const value = data[key];
    return {
      name,
      value,
      from,
      key,
      endpoints: value === undefined ? [] : endpointsIn(value),
      evidence: evidence(`${from}: ${key}=${(value ?? '').slice(0, 150)}`),
    };
  });
}

function fromSecret(
  secret: string,
  wanted: KeyWanted | undefined,
  evidence: MakeEvidence,
  place: ContainerPlace,
): Variable[] {
  const object = place.index.get('Secret', place.namespace, secret);
  const facts = object === undefined ? { keys: [], endpoints: [] } : secretFacts(object);
  const from = `secret/${secret}`;
  const keys = wanted === undefined ? facts.keys.map((key) => ({ name: key, key })) : [wanted];
  if (keys.length === 0) return [{ name: '', from, endpoints: [], evidence: evidence(from) }];
  return keys.map(({ name, key }) => ({
    name,
    from,
    key,
    endpoints: facts.endpoints.filter((one) => one.key === key).map((one) => one.endpoint),
    evidence: evidence(`${from}: ${key}`),
  }));
}

function configFiles(mounts: readonly VolumeMount[], place: ContainerPlace): ConfigFile[] {
  return mounts.flatMap((mount) => {
    const volume = place.volumes.find((one) => one['name'] === mount.volume);
    const sources = [
      at(volume, 'configMap'),
      ...records(at(volume, 'projected', 'sources')).map((one) => one['configMap']),
    ];
    return sources.flatMap((source) => {
      const configMap = text(record(source)['name']);
      if (configMap === undefined) return [];
      const data = textMap(place.index.get('ConfigMap', place.namespace, configMap)?.['data']);
      return Object.entries(data).map(([key, content]) => ({ configMap, key, content, mountPath: mount.path }));
    });
  });
}
