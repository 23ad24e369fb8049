/** What well-known charts run, where its data is, and whether they ask for a volume when nobody says anything. */
export interface KnownChart {
  /** By which the engine is recognized. */
  readonly image: string;
  readonly port?: number;
  readonly path: string;
  readonly persistent: boolean;
  readonly size: string;
}

/** Servers as charts of their own, and as parts of other charts, by the name of the chart or of the key in values. */
export const serverCharts: Readonly<Record<string, KnownChart>> = {
  postgresql: { image: 'bitnami/postgresql', port: 5432, path: '/bitnami/postgresql', persistent: true, size: '8Gi' },
  'postgresql-ha': {
    image: 'bitnami/postgresql-repmgr',
    port: 5432,
    path: '/bitnami/postgresql',
    persistent: true,
    size: '8Gi',
  },
  mysql: { image: 'bitnami/mysql', port: 3306, path: '/bitnami/mysql', persistent: true, size: '8Gi' },
  mariadb: { image: 'bitnami/mariadb', port: 3306, path: '/bitnami/mariadb', persistent: true, size: '8Gi' },
  'mariadb-galera': {
    image: 'bitnami/mariadb-galera',
    port: 3306,
    path: '/bitnami/mariadb',
    persistent: true,
    size: '8Gi',
  },
  mongodb: { image: 'bitnami/mongodb', port: 27_017, path: '/bitnami/mongodb', persistent: true, size: '8Gi' },
  redis: { image: 'bitnami/redis', port: 6379, path: '/data', persistent: true, size: '8Gi' },
  'redis-cluster': {
    image: 'bitnami/redis-cluster',
    port: 6379,
    path: '/bitnami/redis',
    persistent: true,
    size: '8Gi',
  },
  valkey: { image: 'bitnami/valkey', port: 6379, path: '/data', persistent: true, size: '8Gi' },
  dragonfly: { image: 'dragonflydb/dragonfly', port: 6379, path: '/data', persistent: false, size: '128Mi' },
  memcached: { image: 'bitnami/memcached', port: 11_211, path: '', persistent: false, size: '' },
  rabbitmq: { image: 'bitnami/rabbitmq', port: 5672, path: '/bitnami/rabbitmq', persistent: true, size: '8Gi' },
  kafka: { image: 'bitnami/kafka', port: 9092, path: '/bitnami/kafka', persistent: true, size: '8Gi' },
  nats: { image: 'nats', port: 4222, path: '/data', persistent: false, size: '10Gi' },
  elasticsearch: {
    image: 'elasticsearch/elasticsearch',
    port: 9200,
    path: '/usr/share/elasticsearch/data',
    persistent: true,
    size: '30Gi',
  },
  opensearch: {
    image: 'opensearchproject/opensearch',
    port: 9200,
    path: '/usr/share/opensearch/data',
    persistent: true,
    size: '8Gi',
  },
  meilisearch: { image: 'getmeili/meilisearch', port: 7700, path: '/meili_data', persistent: false, size: '10Gi' },
  clickhouse: { image: 'bitnami/clickhouse', port: 9000, path: '/bitnami/clickhouse', persistent: true, size: '8Gi' },
  cassandra: { image: 'bitnami/cassandra', port: 9042, path: '/bitnami/cassandra', persistent: true, size: '8Gi' },
  etcd: { image: 'bitnami/etcd', port: 2379, path: '/bitnami/etcd', persistent: true, size: '8Gi' },
  zookeeper: { image: 'bitnami/zookeeper', port: 2181, path: '/bitnami/zookeeper', persistent: true, size: '8Gi' },
  influxdb: { image: 'influxdb', port: 8086, path: '/var/lib/influxdb', persistent: true, size: '8Gi' },
  influxdb2: { image: 'influxdb', port: 8086, path: '/var/lib/influxdb2', persistent: true, size: '50Gi' },
  minio: { image: 'minio/minio', port: 9000, path: '/export', persistent: true, size: '500Gi' },
  vault: { image: 'hashicorp/vault', port: 8200, path: '/vault/data', persistent: true, size: '10Gi' },
  openbao: { image: 'openbao/openbao', port: 8200, path: '/openbao/data', persistent: true, size: '10Gi' },
  qdrant: { image: 'qdrant/qdrant', port: 6333, path: '/qdrant/storage', persistent: true, size: '10Gi' },
  weaviate: {
    image: 'semitechnologies/weaviate',
    port: 50_051,
    path: '/var/lib/weaviate',
    persistent: true,
    size: '32Gi',
  },
  neo4j: { image: 'neo4j', port: 7687, path: '/data', persistent: true, size: '10Gi' },
  couchdb: { image: 'couchdb', port: 5984, path: '/opt/couchdb/data', persistent: false, size: '10Gi' },
  cockroachdb: {
    image: 'cockroachdb/cockroach',
    port: 26_257,
    path: '/cockroach/cockroach-data',
    persistent: true,
    size: '100Gi',
  },
  questdb: { image: 'questdb/questdb', port: 9009, path: '/var/lib/questdb', persistent: true, size: '10Gi' },
  'victoria-metrics-single': {
    image: 'victoriametrics/victoria-metrics',
    port: 8428,
    path: '/storage',
    persistent: true,
    size: '16Gi',
  },
  'victoria-logs-single': {
    image: 'victoriametrics/victoria-logs',
    port: 9428,
    path: '/storage',
    persistent: true,
    size: '10Gi',
  },
  loki: { image: 'grafana/loki', port: 3100, path: '/var/loki', persistent: true, size: '10Gi' },
  prometheus: { image: 'prom/prometheus', port: 9090, path: '/prometheus', persistent: true, size: '8Gi' },
};

/** Programs, with the volume that their chart asks for by default. */
export const programCharts: Readonly<Record<string, Pick<KnownChart, 'image' | 'path' | 'persistent' | 'size'>>> = {
  gitea: { image: 'gitea/gitea', path: '/data', persistent: true, size: '10Gi' },
  forgejo: { image: 'forgejo/forgejo', path: '/data', persistent: true, size: '10Gi' },
  jenkins: { image: 'jenkins/jenkins', path: '/var/jenkins_home', persistent: true, size: '8Gi' },
  wordpress: { image: 'bitnami/wordpress', path: '/bitnami/wordpress', persistent: true, size: '10Gi' },
  drupal: { image: 'bitnami/drupal', path: '/bitnami/drupal', persistent: true, size: '8Gi' },
  ghost: { image: 'bitnami/ghost', path: '/bitnami/ghost', persistent: true, size: '8Gi' },
  nexus: { image: 'sonatype/nexus3', path: '/nexus-data', persistent: true, size: '8Gi' },
  'nexus-repository-manager': { image: 'sonatype/nexus3', path: '/nexus-data', persistent: true, size: '8Gi' },
  harbor: { image: 'goharbor/registry-photon', path: '/storage', persistent: true, size: '5Gi' },
  nextcloud: { image: 'nextcloud', path: '/var/www/html', persistent: false, size: '8Gi' },
  grafana: { image: 'grafana/grafana', path: '/var/lib/grafana', persistent: false, size: '10Gi' },
  jupyterhub: { image: 'jupyterhub/k8s-hub', path: '/srv/jupyterhub', persistent: true, size: '1Gi' },
  mlflow: { image: 'mlflow/mlflow', path: '/mlflow', persistent: false, size: '10Gi' },
  ollama: { image: 'ollama/ollama', path: '/root/.ollama', persistent: false, size: '30Gi' },
  immich: { image: 'immich-app/immich-server', path: '/usr/src/app/upload', persistent: false, size: '10Gi' },
};

/** Servers that a chart installs unless it is told not to. */
export const bundledByDefault: Readonly<Record<string, readonly string[]>> = {
  wordpress: ['mariadb'],
  drupal: ['mariadb'],
  ghost: ['mysql'],
  keycloak: ['postgresql'],
  gitea: ['postgresql-ha', 'valkey-cluster'],
  sonarqube: ['postgresql'],
  airflow: ['postgresql'],
  sentry: ['postgresql', 'redis', 'kafka', 'clickhouse'],
  gitlab: ['postgresql', 'redis', 'minio'],
  mastodon: ['postgresql', 'redis', 'elasticsearch'],
  milvus: ['etcd', 'minio'],
  kafka: [],
};
