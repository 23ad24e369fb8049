import { assetIdOf } from '#api/asset';
import type { Asset, AssetId, AssetKind, Relation, Sign } from '#api/asset';
import { inferredFrom } from './helm/skeletons.ts';
import type { ObjectIndex } from './snapshot/snapshot.ts';
import type { Workload } from './workloads.ts';

/** What a detector says of a new asset; signs and relations are added while others look at it. */
export type Draft = Omit<Asset, 'id' | 'application' | 'signs'>;

/** One pod volume of a workload and the assets that stand behind it: one per replica for a claim template. */
export interface VolumeLink {
  readonly workload: Workload;
  readonly volume: string;
  readonly assets: readonly AssetId[];
}

interface Server {
  readonly asset: AssetId;
  readonly ports: readonly number[];
}

/** Detectors add assets, and say what they see of those of others. Order: volumes, servers, then everything that reads signs. */
export class AssetBuilder {
  readonly index: ObjectIndex;
  readonly workloads: readonly Workload[];
  readonly #assets = new Map<AssetId, Draft>();
  readonly #signs = new Map<AssetId, Sign[]>();
  readonly #relations = new Map<string, Relation>();
  readonly #relationsFrom = new Map<string, Relation[]>();
  readonly #links = new Map<string, VolumeLink>();
  /** Workloads by the object they come from, with the server asset they run. */
  readonly #servers = new Map<string, Server[]>();

  constructor(index: ObjectIndex, workloads: readonly Workload[]) {
    this.index = index;
    this.workloads = workloads;
  }

  /** Adds an asset, or fills what an earlier one of the same id did not know. */
  add(draft: Draft): AssetId {
    const id = assetIdOf(draft.namespace, draft.kind, draft.name);
    const before = this.#assets.get(id);
    this.#assets.set(id, before === undefined ? draft : { ...draft, ...withoutUndefined(before) });
    return id;
  }

  /** Replaces facts of an asset. */
  update(id: AssetId, facts: Partial<Draft>): void {
    const before = this.#assets.get(id);
    if (before !== undefined) this.#assets.set(id, { ...before, ...facts });
  }

  find(namespace: string, kind: AssetKind, name: string): AssetId | undefined {
    const id = assetIdOf(namespace, kind, name);
    return this.#assets.has(id) ? id : undefined;
  }

  get(id: AssetId): Draft | undefined {
    return this.#assets.get(id);
  }

  *all(kind?: AssetKind): Generator<[AssetId, Draft]> {
    for (const [id, draft] of this.#assets) if (kind === undefined || draft.kind === kind) yield [id, draft];
  }

  sign(id: AssetId, sign: Sign): void {
    const signs = this.#signs.get(id);
    if (signs === undefined) this.#signs.set(id, [sign]);
    else if (!signs.some((one) => one.means === sign.means && one.says === sign.says && one.of === sign.of))
      signs.push(sign);
  }

  signsOf(id: AssetId): readonly Sign[] {
    return this.#signs.get(id) ?? [];
  }

  relate(relation: Relation): void {
    const key = `${relation.from}|${relation.type}|${relation.to}`;
    if (this.#relations.has(key)) return;
    this.#relations.set(key, relation);
    const list = this.#relationsFrom.get(relation.from);
    if (list === undefined) this.#relationsFrom.set(relation.from, [relation]);
    else list.push(relation);
  }

  /** What one asset or workload has to do with others. */
  relationsFrom(from: string, type: Relation['type']): readonly Relation[] {
    return (this.#relationsFrom.get(from) ?? []).filter((relation) => relation.type === type);
  }

  relations(): readonly Relation[] {
    return [...this.#relations.values()];
  }

  link(link: VolumeLink): void {
    this.#links.set(`${keyOf(link.workload)}|${link.volume}`, link);
  }

  /** The assets behind a volume of a pod template. */
  behind(workload: Workload, volume: string): readonly AssetId[] {
    return this.#links.get(`${keyOf(workload)}|${volume}`)?.assets ?? [];
  }

  links(): Iterable<VolumeLink> {
    return this.#links.values();
  }

  /** Notes the server that a workload runs, with the ports it listens on. */
  serves(workload: Workload, asset: AssetId, ports: readonly number[] = []): void {
    const key = keyOf(workload);
    this.#servers.set(key, [...(this.#servers.get(key) ?? []), { asset, ports }]);
  }

  /** The server that a workload runs; of several, the one on that port. */
  serverOf(workload: Workload, port?: number): AssetId | undefined {
    const servers = this.#servers.get(keyOf(workload)) ?? [];
    const onPort = port === undefined ? undefined : servers.find((server) => server.ports.includes(port));
    return (onPort ?? servers[0])?.asset;
  }

  build(): Asset[] {
    return [...this.#assets].map(([id, draft]) => {
      const from = draft.volume?.labels[inferredFrom];
      const application = draft.namespace === '' ? '(cluster)' : draft.namespace;
      return {
        id,
        application,
        ...draft,
        ...(from === undefined ? {} : { inferredFrom: from }),
        signs: this.signsOf(id),
      };
    });
  }
}

export function keyOf(workload: Workload): string {
  return `${workload.namespace}/${workload.name}`;
}

function withoutUndefined(draft: Draft): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined)) as unknown as Draft;
}
