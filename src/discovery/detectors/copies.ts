import type { AssetId, Evidence } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import { memberRoles, primaryRoles, roleLabels } from '../operators/operator-spec.ts';
import { recognize } from '../engines/recognize.ts';
import type { Recognized } from '../engines/recognize.ts';
import { at, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ServiceMap } from '../services.ts';
import type { Variable } from '../containers.ts';
import type { Workload } from '../workloads.ts';
import { hasFullCopies } from './operators.ts';
import { replicaSetting } from './servers.ts';

/**
 * One primary copy per replicated database: a server that follows another one is a copy of it, and of members that all
 * hold everything, one is protected. What shards its data has no such members.
 */
export function detectCopies(builder: AssetBuilder, services: ServiceMap): void {
  for (const workload of builder.workloads) {
    const server = builder.serverOf(workload);
    if (server === undefined) continue;
    for (const found of recognize(workload)) follows(builder, services, { workload, found, server });
  }
  const pods = podsByClaim(builder);
  for (const [server] of [...builder.all('database'), ...builder.all('queue')]) members(builder, server, pods);
}

interface Follower {
  readonly workload: Workload;
  readonly found: Recognized;
  readonly server: AssetId;
}

function follows(builder: AssetBuilder, services: ServiceMap, { workload, found, server }: Follower): void {
  const setting = replicaSetting(found.spec, workload, found.container);
  if (setting === undefined) return;
  const primary = primaryOf(services, { workload, found, server });
  if (primary === undefined) return;
  const evidence: Evidence[] = [
    {
      object: workload.name,
      namespace: workload.namespace,
      field: `${found.container.path} settings`,
      value: setting.trim().slice(0, 80),
    },
    primary.evidence,
  ];
  const name = builder.get(primary.asset)?.name ?? '';
  builder.sign(server, { means: 'replica', says: `follows ${name}`, evidence, strength: 'strong', of: primary.asset });
  builder.relate({ from: server, to: primary.asset, type: 'madeFrom', evidence });
}

interface Primary {
  readonly asset: AssetId;
  readonly evidence: Evidence;
}

/** Commands by which a server follows another one, or fetches all of it at its first start: the host is in the group. */
const followCommands: readonly RegExp[] = [
  /(?:--?(?:replicaof|slaveof)|^\s*(?:replicaof|slaveof))[\s="',]+([a-z0-9.-]+)/im,
  /\bpg_basebackup\b[^\n;|&]*?\s(?:-h|--host)[=\s]*["']?([a-z0-9][a-z0-9.-]*)/i,
];

/** The server that is followed: by the variable that names it, or by the host in the command itself. */
function primaryOf(services: ServiceMap, { workload, found, server }: Follower): Primary | undefined {
  const { spec, container } = found;
  const resolve = (host: string, evidence: Evidence): Primary | undefined => {
    const target = services.resolve(host, workload.namespace);
    return target.kind === 'server' && target.asset !== server ? { asset: target.asset, evidence } : undefined;
  };
  const named = (variable: Variable): boolean =>
    spec.primaryHost?.test(variable.name) === true && variable.value !== undefined;
  for (const variable of container.variables.filter(named)) {
    const primary = resolve((variable.value ?? '').split(':')[0] ?? '', variable.evidence);
    if (primary !== undefined) return primary;
  }
  for (const { command, path } of [container, ...workload.containers.filter((one) => one.init)])
    for (const follow of followCommands) {
      const [value, host] = follow.exec(command.join(' ')) ?? [];
      if (value === undefined || host === undefined) continue;
      const { name: object, namespace } = workload;
      const primary = resolve(host, { object, namespace, field: `${path}.command`, value: value.trim().slice(0, 80) });
      if (primary !== undefined) return primary;
    }
  return undefined;
}

/** Letters that Kubernetes and operators choose at random (`k8s.io/apimachinery/pkg/util/rand`), as a part of a name. */
const generatedName = /(?<=-)[bcdfghjklmnpqrstvwxz#]{4,5}(?=-|$)/g;

/** Of volumes with the same content, one is the copy to protect; the others are copies of it. */
function members(builder: AssetBuilder, server: AssetId, pods: PodsByClaim): void {
  const weak = builder.signsOf(server).find((sign) => sign.means === 'replica' && sign.of === undefined);
  if (weak === undefined && !hasFullCopies(builder, server)) return;
  const groups = new Map<string, AssetId[]>();
  for (const relation of builder.relationsFrom(server, 'holds')) {
    const draft = builder.get(relation.to);
    // data-db-0 and data-db-1 are the same volume of two members; wal-db-0 is another one.
    const group = (draft?.volume?.claim ?? '').replaceAll(/\d+/g, '#').replaceAll(generatedName, '#');
    groups.set(group, [...(groups.get(group) ?? []), relation.to]);
  }
  for (const volumes of groups.values()) {
    if (volumes.length < 2) continue;
    const sorted = volumes.toSorted();
    const declared = sorted.find((volume) => roleOf(builder, volume, pods)?.primary === true);
    const primary = declared ?? sorted[0];
    if (primary === undefined) continue;
    for (const volume of sorted.filter((one) => one !== primary)) {
      const role = roleOf(builder, volume, pods)?.evidence;
      const evidence = [
        ...(role === undefined ? [] : [role]),
        ...(weak?.evidence ?? builder.signsOf(server)[0]?.evidence ?? []),
      ];
      const says = `is a member that holds the same as ${builder.get(primary)?.name ?? ''}`;
      builder.sign(volume, {
        means: 'replica',
        says,
        evidence,
        strength: declared === undefined ? 'weak' : 'strong',
        of: primary,
      });
    }
  }
}

/** What labels on the claim, or on the pod that uses it, say of the member. */
function roleOf(
  builder: AssetBuilder,
  volume: AssetId,
  pods: PodsByClaim,
): { readonly primary: boolean; readonly evidence: Evidence } | undefined {
  const draft = builder.get(volume);
  if (draft?.volume === undefined) return undefined;
  const claim = draft.volume.claim ?? '';
  const labelled = [
    { object: `pvc/${claim}`, labels: draft.volume.labels },
    ...(pods.get(`${draft.namespace}/${claim}`) ?? []),
  ];
  for (const { object, labels } of labelled) {
    const label = roleLabels.find((one) => memberRoles.test(labels[one] ?? ''));
    const value = label === undefined ? undefined : labels[label];
    if (label !== undefined && value !== undefined)
      return {
        primary: primaryRoles.test(value),
        evidence: { object, namespace: draft.namespace, field: 'metadata.labels', value: `${label}=${value}` },
      };
  }
  return undefined;
}

interface Labelled {
  readonly object: string;
  readonly labels: Readonly<Record<string, string>>;
}

type PodsByClaim = ReadonlyMap<string, readonly Labelled[]>;

function podsByClaim(builder: AssetBuilder): PodsByClaim {
  const pods = new Map<string, Labelled[]>();
  for (const pod of builder.index.all('Pod')) {
    for (const volume of records(at(pod, 'spec', 'volumes'))) {
      const claim = text(at(volume, 'persistentVolumeClaim', 'claimName'));
      if (claim === undefined) continue;
      const key = `${pod.metadata.namespace ?? ''}/${claim}`;
      pods.set(key, [...(pods.get(key) ?? []), { object: nameOf(pod), labels: pod.metadata.labels ?? {} }]);
    }
  }
  return pods;
}
