import type { AssetId } from '#api/asset';
import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from './builder.ts';
import { at, integer, records, text, textMap } from './fields.ts';
import type { Workload } from './workloads.ts';

/** What a host name leads to. */
export type Target =
  | { readonly kind: 'server'; readonly asset: AssetId }
  | { readonly kind: 'workload'; readonly workload: Workload }
  /** Outside of the cluster; `via` is the Service that leads there. */
  | { readonly kind: 'external'; readonly host: string; readonly via?: KubeObject }
  /** A name inside of the cluster that nothing in the snapshot has. */
  | { readonly kind: 'unknown'; readonly host: string };

/** Endings of names that mean something on the node or in the cluster itself. */
const insideNames = /(^|\.)(localhost|local|svc|internal\.cluster|cluster\.local)$|^(127\.|0\.0\.0\.0|::1|\$)/i;
const ipAddress = /^\d{1,3}(\.\d{1,3}){3}$/;

/** Resolves host names as the cluster's DNS would. */
export class ServiceMap {
  readonly #builder: AssetBuilder;
  readonly #services = new Map<string, KubeObject>();
  readonly #namespaces = new Set<string>();
  readonly #workloads = new Map<string, Workload[]>();
  /** Names that operators give to the Services of their servers: they may not be in the snapshot. */
  readonly #promised = new Map<string, AssetId>();

  constructor(builder: AssetBuilder) {
    this.#builder = builder;
    for (const service of builder.index.all('Service'))
      this.#services.set(`${service.metadata.namespace ?? ''}/${service.metadata.name}`, service);
    for (const object of builder.index.snapshot.objects)
      if (object.metadata.namespace !== undefined) this.#namespaces.add(object.metadata.namespace);
    for (const workload of builder.workloads) {
      const list = this.#workloads.get(workload.namespace);
      if (list === undefined) this.#workloads.set(workload.namespace, [workload]);
      else list.push(workload);
    }
  }

  promise(namespace: string, service: string, asset: AssetId): void {
    this.#promised.set(`${namespace}/${service}`, asset);
  }

  resolve(host: string, from: string, port?: number): Target {
    const name = host.replace(/\.$/, '').replace(/\.svc(\..*)?$/, '');
    const labels = name.split('.');
    const qualified = name !== host.replace(/\.$/, '');
    if (labels.length === 1) return this.#inside(from, name, port) ?? this.#isOutside(host);
    const member = this.#member(labels, from, port);
    if (member !== undefined) return member;
    // pod-0.service.namespace, service.namespace, pod-0.service
    for (const [service, namespace] of [
      [labels[0], labels[1]],
      [labels[1], labels[2]],
      [labels[1], from],
    ] as const) {
      const found =
        service === undefined || namespace === undefined ? undefined : this.#inside(namespace, service, port);
      if (found !== undefined) return found;
    }
    if (qualified || this.#namespaces.has(labels.at(-1) ?? '')) return { kind: 'unknown', host };
    return this.#isOutside(host);
  }

  /** `pod-0.service.namespace`: one pod of a StatefulSet, whatever else the Service leads to. */
  #member([pod = '', , namespace]: readonly string[], from: string, port?: number): Target | undefined {
    const set = /^(.+)-\d+$/.exec(pod)?.[1];
    const workload = this.#workloads
      .get(namespace ?? from)
      ?.find((one) => one.object.kind === 'StatefulSet' && one.object.metadata.name === set);
    return workload === undefined ? undefined : this.#of(workload, port);
  }

  #isOutside(host: string): Target {
    const outside = ipAddress.test(host) || (host.includes('.') && !host.includes('$'));
    return outside && !insideNames.test(host) ? { kind: 'external', host } : { kind: 'unknown', host };
  }

  #inside(namespace: string, name: string, port?: number): Target | undefined {
    const promised = this.#promised.get(`${namespace}/${name}`);
    if (promised !== undefined) return { kind: 'server', asset: promised };
    const service = this.#services.get(`${namespace}/${name}`);
    if (service !== undefined) return this.#behind(service, port);
    // Charts and manifests give a Service the name of what it leads to.
    const workload = this.#workloads
      .get(namespace)
      ?.find((one) => one.object.metadata.name === name && one.role === 'server');
    return workload === undefined ? undefined : this.#of(workload, port);
  }

  #behind(service: KubeObject, port?: number): Target | undefined {
    const namespace = service.metadata.namespace ?? '';
    const external = text(at(service['spec'], 'externalName'));
    if (external !== undefined)
      return external.endsWith('.svc.cluster.local')
        ? this.resolve(external, namespace)
        : { kind: 'external', host: external, via: service };
    const selector = textMap(at(service['spec'], 'selector'));
    if (Object.keys(selector).length === 0) {
      const address = this.#addressOf(service);
      return address === undefined ? undefined : { kind: 'external', host: address, via: service };
    }
    const workloads = this.#selected(namespace, selector);
    const server = workloads.find((one) => this.#builder.serverOf(one) !== undefined);
    const chosen = server ?? workloads[0];
    return chosen === undefined ? undefined : this.#of(chosen, targetPort(service, port));
  }

  #selected(namespace: string, selector: Readonly<Record<string, string>>): Workload[] {
    return (this.#workloads.get(namespace) ?? []).filter((workload) =>
      Object.entries(selector).every(([key, value]) => workload.labels[key] === value),
    );
  }

  /** Where a Service without a selector leads, by the addresses that someone wrote down for it. */
  #addressOf(service: KubeObject): string | undefined {
    const { name, namespace = '' } = service.metadata;
    const endpoints = this.#builder.index.get('Endpoints', namespace, name);
    const written = records(endpoints?.['subsets'])
      .flatMap((subset) => records(subset['addresses']))
      .map((address) => text(address['ip']));
    const slices = this.#builder.index
      .all('EndpointSlice.discovery.k8s.io')
      .filter(
        (slice) =>
          slice.metadata.namespace === namespace && slice.metadata.labels?.['kubernetes.io/service-name'] === name,
      )
      .flatMap((slice) => records(slice['endpoints']))
      .flatMap((endpoint) => (Array.isArray(endpoint['addresses']) ? endpoint['addresses'].map(text) : []));
    return [...written, ...slices].find((ip) => ip !== undefined);
  }

  #of(workload: Workload, port?: number): Target {
    const asset = this.#builder.serverOf(workload, port);
    return asset === undefined ? { kind: 'workload', workload } : { kind: 'server', asset };
  }
}

/** The port of the pods that a port of a Service leads to; without one, its first. */
function targetPort(service: KubeObject, port: number | undefined): number | undefined {
  const ports = records(at(service['spec'], 'ports'));
  const found = ports.find((one) => integer(one['port']) === port) ?? ports[0];
  return integer(found?.['targetPort']) ?? integer(found?.['port']) ?? port;
}
