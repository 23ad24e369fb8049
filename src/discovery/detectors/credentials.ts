import type { AssetId } from '#api/asset';
import { keyOf } from '../builder.ts';
import type { AssetBuilder } from '../builder.ts';
import type { Workload } from '../workloads.ts';

/** Who reads which Secret. */
export interface Credentials {
  /** `NAMESPACE/secret/NAME|KEY` to the servers that read it. */
  readonly readers: ReadonlyMap<string, readonly AssetId[]>;
  /** Servers that nobody can use without one of these Secrets. */
  readonly guarded: ReadonlySet<AssetId>;
  /** Servers to those that follow them: whoever knows the password of one knows that of the other. */
  readonly followers: ReadonlyMap<AssetId, readonly AssetId[]>;
}

/** Secrets that servers read their own passwords from, and those that their operators make for them. */
export function credentialsOf(builder: AssetBuilder): Credentials {
  const readers = new Map<string, AssetId[]>();
  const guarded = new Set<AssetId>();
  const add = (secret: string, server: AssetId): void => {
    readers.set(secret, [...(readers.get(secret) ?? []), server]);
    guarded.add(server);
  };
  for (const workload of builder.workloads) {
    const server = builder.serverOf(workload);
    if (server === undefined) continue;
    for (const { from, key } of workload.containers.flatMap((container) => container.variables))
      if (from?.startsWith('secret/') === true) add(`${workload.namespace}/${from}|${key ?? ''}`, server);
  }
  for (const kind of ['database', 'queue'] as const)
    for (const [asset, draft] of builder.all(kind))
      if (draft.host === undefined)
        for (const ending of operatorSecrets(draft.name))
          readers.set(`${draft.namespace}/secret/${draft.name}${ending}|`, [asset]);
  const followers = new Map<AssetId, AssetId[]>();
  for (const { from, to, type } of builder.relations())
    if (type === 'madeFrom') followers.set(to, [...(followers.get(to) ?? []), from as AssetId]);
  return { readers, guarded, followers };
}

function operatorSecrets(name: string): readonly string[] {
  return ['-app', '-superuser', `-pguser-${name}`, '-default-user', '-es-elastic-user', '-credentials'];
}

/** The servers whose passwords a workload reads, and what follows those servers. */
export function useCredentials(
  builder: AssetBuilder,
  { readers, followers }: Credentials,
  workload: Workload,
): ReadonlySet<AssetId> {
  const tied = new Set<AssetId>();
  // A server that reads another one's password replicates it, which is said elsewhere.
  if (builder.serverOf(workload) !== undefined) return tied;
  for (const { from, key, name, evidence } of workload.containers.flatMap((container) => container.variables)) {
    if (from?.startsWith('secret/') !== true) continue;
    const secret = `${workload.namespace}/${from}`;
    for (const server of [...(readers.get(`${secret}|${key ?? ''}`) ?? []), ...(readers.get(`${secret}|`) ?? [])]) {
      tied.add(server);
      builder.relate({
        from: keyOf(workload),
        to: server,
        type: 'uses',
        evidence: [
          { ...evidence, value: `${name} from ${from}, which ${builder.get(server)?.name ?? ''} reads as well` },
        ],
      });
    }
  }
  for (const server of tied) for (const follower of followers.get(server) ?? []) tied.add(follower);
  return tied;
}
