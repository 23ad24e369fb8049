import type { AssetId, Evidence } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import { keyOf } from '../builder.ts';
import { endpointText, endpointsIn } from '../endpoints.ts';
import type { Endpoint } from '../endpoints.ts';
import { scriptsOf } from '../engines/recognize.ts';
import type { ServiceMap } from '../services.ts';
import type { Container } from '../containers.ts';
import type { Workload } from '../workloads.ts';
import { credentialsOf, useCredentials } from './credentials.ts';
import { addExternal, externalEngine } from './external-servers.ts';

/**
 * Who uses which server: by the addresses in variables, arguments and settings, and by credentials that both share. What
 * leads out of the cluster and is a database or a queue is an asset that lives elsewhere.
 */
export function detectUses(builder: AssetBuilder, services: ServiceMap): void {
  const credentials = credentialsOf(builder);
  for (const workload of builder.workloads) {
    const tied = useCredentials(builder, credentials, workload);
    const mayUse = (server: AssetId, shared: boolean): boolean =>
      !shared || tied.has(server) || !credentials.guarded.has(server);
    for (const container of workload.containers)
      for (const named of namedEndpoints(workload, container))
        useEndpoint(builder, services, { workload, mayUse, ...named });
  }
}

interface NamedEndpoint {
  readonly endpoint: Endpoint;
  /** The variable or file that names it. */
  readonly name: string;
  /** Comes from settings that many workloads share: that it is there does not mean that it is used. */
  readonly shared: boolean;
  readonly evidence: Evidence;
}

const hostVariable =
  /(^|_)(HOST|HOSTNAME|SERVER|ADDR|ADDRESS|ENDPOINT|URL|URI|SEEDS?|BROKERS?|NODES?|HOSTS|SERVERS|DSN)(_NAME)?$/i;
const bareHost = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?$/i;

function namedEndpoints(workload: Workload, container: Container): NamedEndpoint[] {
  const found: NamedEndpoint[] = [];
  for (const variable of container.variables) {
    const { name, value, evidence } = variable;
    const shared = variable.from?.startsWith('configmap/') === true && evidence.field.includes('.envFrom[');
    for (const endpoint of variable.endpoints) found.push({ endpoint, name, shared, evidence });
    if (value !== undefined && variable.endpoints.length === 0 && hostVariable.test(name) && bareHost.test(value)) {
      const [host = '', port] = value.split(':');
      found.push({ endpoint: { host, ...(port === undefined ? {} : { port: Number(port) }) }, name, shared, evidence });
    }
  }
  const base = { object: workload.name, namespace: workload.namespace };
  for (const endpoint of endpointsIn(container.command.join(' ')))
    found.push({
      endpoint,
      name: 'command',
      shared: false,
      evidence: { ...base, field: `${container.path}.command`, value: endpointText(endpoint) },
    });
  const flags = /(?:-h|--host|--hostname)[\s=]+([a-z0-9][a-z0-9.-]*)/gi;
  for (const [flag, host = ''] of container.command.join(' ').matchAll(flags))
    found.push({
      endpoint: { host },
      name: 'command',
      shared: false,
      evidence: { ...base, field: `${container.path}.command`, value: flag },
    });
  const scripts = new Set(scriptsOf(container));
  for (const file of container.files) {
    if (!scripts.has(file) && !/\.(ya?ml|json|toml|ini|conf|cfg|properties|env)$/i.test(file.key)) continue;
    for (const endpoint of endpointsIn(file.content))
      found.push({
        endpoint,
        name: file.key,
        shared: true,
        evidence: {
          object: `configmap/${file.configMap}`,
          namespace: workload.namespace,
          field: `data.${file.key}`,
          value: endpointText(endpoint),
        },
      });
  }
  return found;
}

interface UsedEndpoint extends NamedEndpoint {
  readonly workload: Workload;
  readonly mayUse: (server: AssetId, shared: boolean) => boolean;
}

function useEndpoint(
  builder: AssetBuilder,
  services: ServiceMap,
  { workload, mayUse, endpoint, name, shared, evidence }: UsedEndpoint,
): void {
  const target = services.resolve(endpoint.host, workload.namespace, endpoint.port);
  if (target.kind === 'server') {
    if (target.asset !== builder.serverOf(workload) && mayUse(target.asset, shared))
      builder.relate({ from: keyOf(workload), to: target.asset, type: 'uses', evidence: [evidence] });
    return;
  }
  if (target.kind !== 'external') return;
  const engine = externalEngine(endpoint, name);
  if (engine === undefined) return;
  const seen: Evidence = { ...evidence, value: `${name}: ${endpointText({ ...endpoint, host: target.host })}` };
  const asset = addExternal(builder, { namespace: workload.namespace, host: target.host, engine, evidence: seen });
  builder.relate({ from: keyOf(workload), to: asset, type: 'uses', evidence: [seen] });
}
