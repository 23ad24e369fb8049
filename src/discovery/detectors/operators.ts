import type { AssetId, Evidence } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import { parseQuantity } from '#kube/quantity';
import type { AssetBuilder } from '../builder.ts';
import { at, integer, record, text } from '../fields.ts';
import { documentOperators, streamOperators } from '../operators/other-operators.ts';
import type { OperatorSpec } from '../operators/operator-spec.ts';
import { sqlOperators } from '../operators/sql-operators.ts';
import type { ServiceMap } from '../services.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { Workload } from '../workloads.ts';
import { evidenceOf } from './support.ts';

const operators: readonly OperatorSpec[] = [...sqlOperators, ...documentOperators, ...streamOperators];
const byKind = new Map(operators.map((spec) => [spec.groupKind, spec]));

/** Owners of owners; a circle of owners ends here as well. */
const ownersMax = 8;

/** Servers that operators run, from their custom resources, with the workloads and claims that the operators made for them. */
export function detectOperators(builder: AssetBuilder, services: ServiceMap): void {
  for (const spec of operators)
    for (const object of builder.index.all(spec.groupKind)) addResource(builder, services, { spec, object });
  for (const workload of builder.workloads) {
    const owner = resourceOf(builder, workload.object);
    if (owner !== undefined) joinWorkload(builder, workload, owner);
  }
  for (const claim of builder.index.all('PersistentVolumeClaim')) {
    const owner = resourceOf(builder, claim);
    const volume = builder.find(claim.metadata.namespace ?? '', 'volume', claim.metadata.name);
    if (owner !== undefined && volume !== undefined) joinVolume(builder, volume, owner);
  }
}

interface Resource {
  readonly spec: OperatorSpec;
  readonly object: KubeObject;
}

interface Owner {
  readonly asset: AssetId;
  readonly evidence: readonly Evidence[];
  readonly engine: string;
}

function addResource(builder: AssetBuilder, services: ServiceMap, { spec, object }: Resource): void {
  const { name, namespace = '' } = object.metadata;
  const sizes = spec.size
    .flatMap((path) => valuesAt(object, path.split('.')))
    .map((value) => parseQuantity(text(value) ?? '0'));
  const copies =
    spec.copies === undefined
      ? 1
      : valuesAt(object, spec.copies.split('.')).reduce<number>((sum, value) => sum + (integer(value) ?? 0), 0) || 1;
  const size = sizes.reduce((sum, bytes) => sum + bytes, 0) * (spec.fullCopies ? 1 : copies);
  const version = versionOf(spec, object);
  const exists = evidenceOf(object, 'kind', groupKindOf(object));
  const asset = builder.add({
    kind: spec.kind,
    namespace,
    name,
    title: `${spec.engine}${version === undefined ? '' : ` ${version}`} in ${nameOf(object)}`,
    engine: { name: spec.engine, ...(version === undefined ? {} : { version }) },
    workload: nameOf(object),
    ...(copies > 1 ? { copies } : {}),
    ...(size > 0 ? { sizeBytes: size } : {}),
    volume: {
      source: 'claimTemplate',
      labels: { ...object.metadata.labels, ...object.metadata.annotations },
      mounts: [],
    },
  });
  builder.sign(asset, {
    means: 'program-state',
    says: `is ${spec.engine} run by an operator`,
    evidence: [exists],
    strength: 'strong',
  });
  const ephemeral = spec.ephemeral === undefined ? undefined : valuesAt(object, spec.ephemeral.path.split('.'))[0];
  const says = ephemeral === undefined ? undefined : (text(ephemeral) ?? '{}');
  if (
    spec.ephemeral !== undefined &&
    says !== undefined &&
    spec.ephemeral.value.test(says) &&
    (sizes.length === 0 || spec.kind === 'queue')
  )
    builder.sign(asset, {
      means: 'not-durable',
      says: 'is told to keep nothing',
      evidence: [evidenceOf(object, spec.ephemeral.path, says)],
      strength: 'strong',
    });
  else if (size > 0 || spec.volatileWithoutSize !== true)
    builder.sign(asset, {
      means: 'persistent',
      says: 'keeps its files on volumes',
      evidence: [exists],
      strength: 'strong',
    });
  else
    builder.sign(asset, {
      means: 'not-durable',
      says: 'has no volume',
      evidence: [evidenceOf(object, spec.size[0] ?? 'spec', 'not set')],
      strength: 'strong',
    });
  for (const service of spec.services) services.promise(namespace, service.replace('%', name), asset);
}

function versionOf(spec: OperatorSpec, object: KubeObject): string | undefined {
  const value = spec.version === undefined ? undefined : text(valuesAt(object, spec.version.split('.'))[0]);
  return value === undefined
    ? undefined
    : /(\d+(\.\d+)*)[^/]*$/.exec(value.includes(':') ? value.slice(value.lastIndexOf(':') + 1) : value)?.[1];
}

/** The custom resource that an object belongs to: by its owners, or by the label that the operator gives. */
function resourceOf(builder: AssetBuilder, object: KubeObject): Owner | undefined {
  let current: KubeObject | undefined = object;
  for (let depth = 0; depth < ownersMax && current !== undefined; depth++) {
    const owner: { apiVersion: string; kind: string; name: string } | undefined = current.metadata.ownerReferences?.[0];
    if (owner === undefined) break;
    const groupKind = groupKindOf(owner);
    const spec = byKind.get(groupKind);
    const asset = spec === undefined ? undefined : builder.find(object.metadata.namespace ?? '', spec.kind, owner.name);
    if (spec !== undefined && asset !== undefined)
      return {
        asset,
        engine: spec.engine,
        evidence: [evidenceOf(current, 'metadata.ownerReferences', `${owner.kind} ${owner.name}`)],
      };
    current = builder.index.get(groupKind, object.metadata.namespace ?? '', owner.name);
  }
  return byLabel(builder, object);
}

function byLabel(builder: AssetBuilder, object: KubeObject): Owner | undefined {
  const labels = { ...object.metadata.labels, ...templateLabels(object) };
  for (const spec of operators) {
    const name = spec.label === undefined ? undefined : labels[spec.label];
    if (name === undefined || spec.label === undefined) continue;
    // A label that everything of a release has is not enough: the operator must say that it made the object.
    if (spec.label.startsWith('app') && !managedBy(labels, spec)) continue;
    const asset = builder.find(object.metadata.namespace ?? '', spec.kind, name);
    if (asset !== undefined && builder.get(asset)?.engine?.name === spec.engine)
      return { asset, engine: spec.engine, evidence: [evidenceOf(object, 'metadata.labels', `${spec.label}=${name}`)] };
  }
  return undefined;
}

function templateLabels(object: KubeObject): Readonly<Record<string, string>> {
  return record(at(object, 'spec', 'template', 'metadata', 'labels')) as Readonly<Record<string, string>>;
}

function managedBy(labels: Readonly<Record<string, string>>, spec: OperatorSpec): boolean {
  const manager =
    `${labels['app.kubernetes.io/managed-by'] ?? ''} ${labels['app.kubernetes.io/name'] ?? ''} ${labels['app'] ?? ''}`.toLowerCase();
  return (
    manager.includes(spec.engine.toLowerCase()) ||
    /percona|operator|mariadb|redpanda|dragonfly|rabbitmq|vm(single|storage|cluster)|vlogs/.test(manager)
  );
}

function joinWorkload(builder: AssetBuilder, workload: Workload, owner: Owner): void {
  if (workload.role === 'job') return;
  builder.serves(workload, owner.asset);
  for (const named of [
    ...workload.claimTemplates.map((template) => record(template['metadata'])),
    ...workload.volumes,
  ]) {
    for (const volume of builder.behind(workload, text(named['name']) ?? '')) {
      const source = builder.get(volume)?.volume?.source;
      if (source === 'claim' || source === 'claimTemplate') joinVolume(builder, volume, owner);
    }
  }
}

function joinVolume(builder: AssetBuilder, volume: AssetId, owner: Owner): void {
  builder.sign(volume, {
    means: 'server-files',
    says: `holds the files of ${owner.engine} ${builder.get(owner.asset)?.name ?? ''}`,
    evidence: owner.evidence,
    strength: 'strong',
    of: owner.asset,
  });
  builder.relate({ from: owner.asset, to: volume, type: 'holds', evidence: owner.evidence });
}

/** All values at a path; `*` stands for every item of a list or mapping. */
export function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [field, ...rest] = path;
  if (field === undefined) return value === undefined ? [] : [value];
  if (field !== '*') return valuesAt(record(value)[field], rest);
  const items = Array.isArray(value) ? value : Object.values(record(value));
  return items.flatMap((item) => valuesAt(item, rest));
}

/** Whether every member of a server that an operator runs holds all of the data. */
export function hasFullCopies(builder: AssetBuilder, server: AssetId): boolean {
  const draft = builder.get(server);
  const [kind, name] = (draft?.workload ?? '').split('/');
  return operators.some(
    (spec) =>
      spec.fullCopies &&
      spec.engine === draft?.engine?.name &&
      spec.groupKind.toLowerCase().startsWith(`${kind}.`) &&
      name !== undefined,
  );
}
