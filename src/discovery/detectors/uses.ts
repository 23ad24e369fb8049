import type { AssetId, AssetKind, Evidence } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import { keyOf } from '../builder.ts';
import { endpointText, endpointsIn } from '../endpoints.ts';
import type { Endpoint } from '../endpoints.ts';
import { engines } from '../engines/engines.ts';
import { scriptsOf } from '../engines/recognize.ts';
import type { ServiceMap } from '../services.ts';
import type { Container, Workload } from '../workloads.ts';

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

export interface ExternalServer {
  /** The Service that leads there. */
  readonly service?: string;
  readonly namespace: string;
  readonly host: string;
  readonly engine: string;
  readonly evidence: Evidence;
}

/** Adds a server that is outside of the cluster. */
export function addExternal(
  builder: AssetBuilder,
  { namespace, host, engine, evidence, service }: ExternalServer,
): AssetId {
  const kind: AssetKind = queueNames.has(engine) ? 'queue' : 'database';
  const asset = builder.add({
    kind,
    namespace,
    name: host,
    title: `${engine} at ${host}`,
    engine: { name: engine },
    host,
    ...(service === undefined ? {} : { workload: service }),
  });
  builder.sign(asset, {
    means: 'external',
    says: `lives at ${host}, outside of this cluster`,
    evidence: [evidence],
    strength: 'strong',
  });
  return asset;
}

const queueNames = new Set(engines.filter((spec) => spec.kind === 'queue').map((spec) => spec.name));

const byScheme: Readonly<Record<string, string>> = {
  postgres: 'PostgreSQL',
  postgresql: 'PostgreSQL',
  pgsql: 'PostgreSQL',
  postgis: 'PostgreSQL',
  psql: 'PostgreSQL',
  mysql: 'MySQL',
  mysql2: 'MySQL',
  mariadb: 'MariaDB',
  mongodb: 'MongoDB',
  redis: 'Redis',
  rediss: 'Redis',
  valkey: 'Valkey',
  amqp: 'RabbitMQ',
  amqps: 'RabbitMQ',
  nats: 'NATS',
  tls: 'NATS',
  kafka: 'Kafka',
  elasticsearch: 'Elasticsearch',
  opensearch: 'OpenSearch',
  sqlserver: 'SQL Server',
  mssql: 'SQL Server',
  oracle: 'Oracle Database',
  clickhouse: 'ClickHouse',
  cassandra: 'Cassandra',
  neo4j: 'Neo4j',
  bolt: 'Neo4j',
  mqtt: 'Mosquitto',
  mqtts: 'Mosquitto',
  influxdb: 'InfluxDB',
  couchdb: 'CouchDB',
  memcached: 'Memcached',
};

/** Hosts of well-known services. */
const byHost: readonly (readonly [RegExp, string])[] = [
  [/\.rds\.amazonaws\.com$|\.postgres\.database\.azure\.com$|\.neon\.tech$|\.supabase\.(co|com)$/i, 'PostgreSQL'],
  [/\.mysql\.database\.azure\.com$|\.psdb\.cloud$/i, 'MySQL'],
  [/\.mongodb\.net$|\.mongo\.cosmos\.azure\.com$|\.docdb\.amazonaws\.com$/i, 'MongoDB'],
  [
    /\.cache\.amazonaws\.com$|\.redis\.cache\.windows\.net$|\.upstash\.io$|\.redislabs\.com$|\.redis-cloud\.com$/i,
    'Redis',
  ],
  [/\.database\.windows\.net$/i, 'SQL Server'],
  [/\.es\.amazonaws\.com$|\.elastic-cloud\.com$|\.es\.[\w-]+\.aws\.found\.io$/i, 'Elasticsearch'],
  [/\.mq\.[\w-]+\.amazonaws\.com$|\.cloudamqp\.com$/i, 'RabbitMQ'],
  [/\.kafka\.[\w-]+\.amazonaws\.com$|\.confluent\.cloud$/i, 'Kafka'],
  [/\.aivencloud\.com$/i, 'database'],
];

const byVariable: readonly (readonly [RegExp, string])[] = [
  [/(^|_)(POSTGRES(QL)?|PG|PSQL)/i, 'PostgreSQL'],
  [/(^|_)MARIADB/i, 'MariaDB'],
  [/(^|_)MYSQL/i, 'MySQL'],
  [/(^|_)MONGO/i, 'MongoDB'],
  [/(^|_)REDIS/i, 'Redis'],
  [/(^|_)VALKEY/i, 'Valkey'],
  [/(^|_)(RABBIT|AMQP)/i, 'RabbitMQ'],
  [/(^|_)KAFKA/i, 'Kafka'],
  [/(^|_)(ELASTIC|ES_HOST)/i, 'Elasticsearch'],
  [/(^|_)OPENSEARCH/i, 'OpenSearch'],
  [/(^|_)CLICKHOUSE/i, 'ClickHouse'],
  [/(^|_)INFLUX/i, 'InfluxDB'],
  [/(^|_)(MSSQL|SQLSERVER)/i, 'SQL Server'],
  [/(^|_)CASSANDRA/i, 'Cassandra'],
  [/(^|_)(DB|DATABASE|DBHOST)(_|$)|_DB_|(DB|DATABASE)_?(HOST|URL|SERVER|ADDR)/i, 'database'],
];

const byPort = new Map(
  engines
    .flatMap((spec) =>
      spec.kind === 'bucket'
        ? []
        : spec.ports
            .filter((port) => port > 1024 && ![9000, 9090, 8000, 8080, 3100, 8091].includes(port))
            .map((port) => [port, spec.name] as const),
    )
    .toReversed(),
);

/** Which server an address outside is, if it is one: by scheme, host, the variable's name, and last by its port. */
export function externalEngine(endpoint: Endpoint, name: string): string | undefined {
  const { scheme, host, port } = endpoint;
  const known = scheme === undefined ? undefined : byScheme[scheme];
  if (known !== undefined) return known;
  const byItsHost = byHost.find(([pattern]) => pattern.test(host))?.[1];
  if (byItsHost !== undefined) return byItsHost;
  const web = scheme === 'http' || scheme === 'https';
  const byItsName = byVariable.find(([pattern]) => pattern.test(name))?.[1];
  // http://grafana.example.com in DB_MANAGER_URL is a page, and in ELASTICSEARCH_URL it is a server.
  if (
    byItsName !== undefined &&
    (!web || ['Elasticsearch', 'OpenSearch', 'ClickHouse', 'InfluxDB'].includes(byItsName))
  )
    return byItsName;
  return web || port === undefined || scheme !== undefined ? undefined : byPort.get(port);
}

interface Credentials {
  /** `NAMESPACE/secret/NAME|KEY` to the servers that read it. */
  readonly readers: ReadonlyMap<string, readonly AssetId[]>;
  /** Servers that nobody can use without one of these Secrets. */
  readonly guarded: ReadonlySet<AssetId>;
  /** Servers to those that follow them: whoever knows the password of one knows that of the other. */
  readonly followers: ReadonlyMap<AssetId, readonly AssetId[]>;
}

/** Secrets that servers read their own passwords from, and those that their operators make for them. */
function credentialsOf(builder: AssetBuilder): Credentials {
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
function useCredentials(
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
  for (const server of [...tied]) for (const follower of followers.get(server) ?? []) tied.add(follower);
  return tied;
}
