import type { AssetId, Relation } from '#api/asset';

/** Assets that must be restored together: a namespace, or several that a dependency joins. */
export interface Application {
  readonly name: string;
  readonly namespaces: readonly string[];
  /** Why several namespaces are one; empty for a single one. */
  readonly because: readonly string[];
}

interface Member {
  readonly id: AssetId;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Joins namespaces of which one uses the database of another, if it is the only one that does: a database that many
 * namespaces share belongs to none of them. Proposals, not facts: the owner confirms them.
 */
export function applicationsOf(assets: readonly Member[], relations: readonly Relation[]): Application[] {
  const byId = new Map(assets.map((asset) => [asset.id, asset]));
  const users = new Map<AssetId, Set<string>>();
  for (const { from, to, type } of relations) {
    if (type !== 'uses') continue;
    const list = users.get(to);
    const namespace = from.slice(0, from.indexOf('/'));
    if (list === undefined) users.set(to, new Set([namespace]));
    else list.add(namespace);
  }
  const groups = new Groups(new Set(assets.map((asset) => asset.namespace).filter((namespace) => namespace !== '')));
  for (const [id, namespaces] of users) {
    const asset = byId.get(id);
    const others = [...namespaces].filter((namespace) => namespace !== asset?.namespace);
    const [other] = others;
    if (
      asset === undefined ||
      asset.namespace === '' ||
      other === undefined ||
      others.length > 1 ||
      namespaces.has(asset.namespace)
    )
      continue;
    groups.join(asset.namespace, other, `${other} uses ${asset.name} in ${asset.namespace}`);
  }
  return groups.all();
}

class Groups {
  readonly #leader = new Map<string, string>();
  readonly #because = new Map<string, string[]>();

  constructor(names: ReadonlySet<string>) {
    for (const name of names) this.#leader.set(name, name);
  }

  join(a: string, b: string, why: string): void {
    const [first, second] = [this.#find(a), this.#find(b)].toSorted();
    if (first === undefined || second === undefined) return;
    this.#leader.set(second, first);
    this.#because.set(first, [
      ...(this.#because.get(first) ?? []),
      ...(first === second ? [] : (this.#because.get(second) ?? [])),
      why,
    ]);
  }

  all(): Application[] {
    const members = new Map<string, string[]>();
    for (const name of this.#leader.keys())
      members.set(this.#find(name), [...(members.get(this.#find(name)) ?? []), name]);
    return [...members]
      .map(([leader, namespaces]) => ({
        name: namespaces.toSorted().join('+'),
        namespaces: namespaces.toSorted(),
        because: this.#because.get(leader) ?? [],
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #find(name: string): string {
    let current = name;
    for (let next = this.#leader.get(current); next !== undefined && next !== current; next = this.#leader.get(current))
      current = next;
    return current;
  }
}
