import type { AssetId, Evidence, Sign, VolumeSource } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import type { EngineSpec } from '../engines/engine-spec.ts';
import { recognize, settingsText } from '../engines/recognize.ts';
import type { Recognized } from '../engines/recognize.ts';
import type { Container } from '../containers.ts';
import type { Workload } from '../workloads.ts';

/**
 * Databases, queues and object stores that workloads run, each an asset of its own, joined to the volumes that hold its
 * files. What an operator runs from a custom resource is that resource's (operators.ts), which has been added before.
 */
export function detectServers(builder: AssetBuilder): void {
  for (const workload of builder.workloads) {
    if (builder.serverOf(workload) !== undefined) continue;
    const found = recognize(workload);
    for (const one of found) addServer(builder, workload, { ...one, alone: found.length === 1 });
  }
}

interface Found extends Recognized {
  readonly alone: boolean;
}

function addServer(builder: AssetBuilder, workload: Workload, found: Found): void {
  const { spec, container, version, evidence } = found;
  const name = found.alone ? workload.object.metadata.name : `${workload.object.metadata.name}-${container.name}`;
  const volumes = dataVolumes(builder, workload, found);
  const id = builder.add({
    kind: spec.kind,
    namespace: workload.namespace,
    name,
    title: `${spec.name}${version === undefined ? '' : ` ${version}`} in ${workload.name}`,
    engine: { name: spec.name, ...(version === undefined ? {} : { version }) },
    workload: workload.name,
    ...(workload.replicas > 1 ? { copies: workload.replicas } : {}),
    volume: {
      source: sourceOf(builder, volumes),
      labels: {
        ...workload.object.metadata.labels,
        ...workload.object.metadata.annotations,
        ...workload.labels,
        ...workload.annotations,
      },
      mounts: [],
    },
  });
  builder.serves(workload, id, [...spec.ports, ...container.ports.map((one) => one.port)]);
  const says = `runs ${spec.name}`;
  for (const volume of volumes) {
    builder.sign(volume, {
      means: 'server-files',
      says: `holds the files of ${spec.name} ${name}`,
      evidence,
      strength: 'strong',
      of: id,
    });
    builder.relate({ from: id, to: volume, type: 'holds', evidence });
  }
  addSize(builder, id, volumes);
  for (const sign of settingSigns({ builder, workload, found, volumes, says })) builder.sign(id, sign);
  if (volumes.length > 0 && isPersistent(builder, volumes))
    builder.sign(id, {
      means: 'persistent',
      says: 'keeps its files on a volume that outlives its pods',
      evidence,
      strength: 'strong',
    });
}

function addSize(builder: AssetBuilder, id: AssetId, volumes: readonly AssetId[]): void {
  const sizes = volumes.map((volume) => builder.get(volume)?.sizeBytes ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > 0) builder.update(id, { sizeBytes: total });
}

/** Mounts of a server that are not its data. */
const besideData =
  /^\/(tmp|run|var\/run|dev|etc|var\/log|config|scripts?|docker-entrypoint|opt\/bitnami\/\w+\/(conf|tmp|logs)|usr\/share\/\w+\/config|certs?|tls|secrets?)(\/|$)/;
const backupPath = /(^|\/)(backups?|dumps?|exports?)(\/|$)/i;

/** The assets behind the mounts where the server keeps its files: by its usual folders, by its settings, or else all that persist. */
function dataVolumes(builder: AssetBuilder, workload: Workload, { spec, container }: Recognized): AssetId[] {
  const mounts = container.mounts.filter(
    (mount) => builder.behind(workload, mount.volume).length > 0 && !mount.readOnly,
  );
  const behind = (chosen: typeof mounts): AssetId[] => [
    ...new Set(chosen.flatMap((mount) => builder.behind(workload, mount.volume))),
  ];
  const usual = mounts.filter((mount) => spec.dataPath.test(mount.path));
  const isLasting = (mount: (typeof mounts)[number]): boolean =>
    isPersistent(builder, builder.behind(workload, mount.volume));
  const lasting = mounts.filter((mount) => isLasting(mount) && !backupPath.test(mount.path));
  if (usual.some(isLasting))
    return behind([
      ...new Set([...usual.filter(isLasting), ...lasting.filter((mount) => !besideData.test(mount.path))]),
    ]);
  const told = mounts.filter(
    (mount) =>
      container.variables.some((variable) => pointsInto(variable.value, mount.path)) && !besideData.test(mount.path),
  );
  if (lasting.length > 0)
    return behind(lasting.filter((mount) => !besideData.test(mount.path) || lasting.length === 1));
  return behind(usual.length > 0 ? usual : told);
}

function pointsInto(value: string | undefined, path: string): boolean {
  return value !== undefined && path.length > 1 && (value === path || value.startsWith(`${path.replace(/\/$/, '')}/`));
}

/** Sources whose data ends with the pod. */
const endsWithPod = new Set(['emptyDir', 'ephemeral']);

function isPersistent(builder: AssetBuilder, volumes: readonly AssetId[]): boolean {
  return volumes.some((volume) => !endsWithPod.has(builder.get(volume)?.volume?.source ?? 'emptyDir'));
}

function sourceOf(builder: AssetBuilder, volumes: readonly AssetId[]): VolumeSource {
  return (
    volumes.map((volume) => builder.get(volume)?.volume?.source).find((source) => source !== undefined) ??
    'containerLayer'
  );
}

interface SettingsQuestion {
  readonly builder: AssetBuilder;
  readonly workload: Workload;
  readonly found: Found;
  readonly volumes: readonly AssetId[];
  readonly says: string;
}

function settingSigns({ builder, workload, found, volumes, says }: SettingsQuestion): Sign[] {
  const { spec, container, evidence } = found;
  const settings = settingsText(workload, container);
  const at = (match: string): Evidence => ({
    object: workload.name,
    namespace: workload.namespace,
    field: `${container.path} settings`,
    value: match.trim().slice(0, 100),
  });
  const signs: Sign[] = [{ means: 'program-state', says, evidence, strength: 'strong' }];
  const durable = spec.durableSettings?.exec(settings);
  const volatile = spec.volatileSettings?.exec(settings);
  if (spec.volatile === 'always')
    signs.push({
      means: 'not-durable',
      says: `keeps nothing on disk: ${spec.name} never does`,
      evidence,
      strength: 'strong',
    });
  else if (volatile && !durable)
    signs.push({
      means: 'not-durable',
      says: 'writes nothing to disk by its settings',
      evidence: [at(volatile[0])],
      strength: 'strong',
    });
  else if (spec.volatile === 'without-volume' && !isPersistent(builder, volumes) && !durable)
    signs.push({
      means: 'not-durable',
      says: `has no volume that outlives its pod, and ${spec.name} starts empty then`,
      evidence,
      strength: 'strong',
    });
  const copies = copiesEvidence(spec, settings, at);
  if (workload.replicas > 1 && copies.length > 0)
    signs.push({ means: 'replica', says: 'keeps a full copy in every member', evidence: copies, strength: 'weak' });
  return signs;
}

function copiesEvidence(spec: EngineSpec, settings: string, at: (match: string) => Evidence): Evidence[] {
  const match = spec.fullCopies?.exec(settings);
  return match ? [at(match[0])] : [];
}

/** The text by which a server says that it follows another, if it does. */
export function replicaSetting(spec: EngineSpec, workload: Workload, container: Container): string | undefined {
  return spec.replica?.exec(settingsText(workload, container))?.[0];
}
