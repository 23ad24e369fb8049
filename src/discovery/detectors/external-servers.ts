import type { AssetId, AssetKind, Evidence } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import type { Endpoint } from '../endpoints.ts';
import { engines } from '../engines/engines.ts';

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
