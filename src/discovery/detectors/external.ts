import type { AssetKind } from '#api/asset';
import { groupKindOf } from '#api/objects';
import type { KubeObject } from '#api/objects';
import type { AssetBuilder } from '../builder.ts';
import { at, integer, records, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ServiceMap } from '../services.ts';
import { addExternal, externalEngine } from './external-servers.ts';
import { defined, evidenceOf } from './support.ts';

/** Services that lead out of the cluster, and resources by which a controller keeps a database or bucket of a cloud. */
export function detectExternal(builder: AssetBuilder, services: ServiceMap): void {
  for (const service of builder.index.all('Service')) addService(builder, services, service);
  for (const object of builder.index.snapshot.objects) addCloudResource(builder, object);
}

function addService(builder: AssetBuilder, services: ServiceMap, service: KubeObject): void {
  const { name, namespace = '' } = service.metadata;
  const target = services.resolve(name, namespace);
  if (target.kind !== 'external' || target.via !== service) return;
  const port = integer(records(at(service['spec'], 'ports'))[0]?.['port']);
  const engine = externalEngine(
    { host: target.host, ...(port === undefined ? {} : { port }) },
    name.replaceAll('-', '_'),
  );
  if (engine === undefined) return;
  const external = text(at(service['spec'], 'externalName'));
  const evidence = evidenceOf(
    service,
    external === undefined ? 'spec.selector' : 'spec.externalName',
    external ?? `none; its addresses are written down: ${target.host}`,
  );
  addExternal(builder, { namespace, host: target.host, engine, evidence, service: nameOf(service) });
}

const cloudGroup =
  /(^|\.)(crossplane\.io|upbound\.io|services\.k8s\.aws|cnrm\.cloud\.google\.com|azure\.com|ibm\.com|aiven\.io|digitalocean\.com)$/;

interface CloudKind {
  readonly kind: RegExp;
  readonly group?: RegExp;
  readonly as: Extract<AssetKind, 'database' | 'bucket' | 'queue'>;
  readonly what: string;
}

const cloudKinds: readonly CloudKind[] = [
  {
    kind: /^(RDSInstance|DBInstance|DBCluster|RDSCluster|CloudSQLInstance|SQLInstance|DatabaseInstance|FlexibleServer|PostgreSQLServer|MySQLServer|PostgreSQL|MySQL|MSSQLServer|DatabaseCluster)$/,
    as: 'database',
    what: 'managed database',
  },
  {
    kind: /^(Instance|Cluster|ClusterInstance)$/,
    group: /^(rds|docdb|neptune|redshift|sql|alloydb|spanner|bigtable|memorydb)\./,
    as: 'database',
    what: 'managed database',
  },
  {
    kind: /^(Table|GlobalTable|BackupTable)$/,
    group: /^(dynamodb|bigtable|bigquery)\./,
    as: 'database',
    what: 'managed table',
  },
  { kind: /^(CosmosDB\w*|DatabaseAccount|MongoDatabase)$/, as: 'database', what: 'managed database' },
  {
    kind: /^(ReplicationGroup|CacheCluster|RedisCache|RedisInstance|Redis|ServerlessCache)$/,
    as: 'database',
    what: 'managed cache',
  },
  {
    kind: /^(Domain|OpenSearchDomain|OpenSearch)$/,
    group: /^(opensearch\w*|elasticsearch|aiven)\./,
    as: 'database',
    what: 'managed search engine',
  },
  {
    kind: /^(Bucket|StorageBucket|BlobContainer|SpacesBucket|Container)$/,
    group: /^(s3|storage|spaces|minio)\b/,
    as: 'bucket',
    what: 'bucket',
  },
  { kind: /^(Account|StorageAccount)$/, group: /^storage\./, as: 'bucket', what: 'storage account' },
  {
    kind: /^(FileSystem|FilestoreInstance)$/,
    group: /^(efs|fsx|filestore)\./,
    as: 'bucket',
    what: 'managed file system',
  },
  {
    kind: /^(Queue|Topic|Kafka|Broker)$/,
    group: /^(sqs|sns|mq|kafka|pubsub|aiven)\./,
    as: 'queue',
    what: 'managed queue',
  },
];

function addCloudResource(builder: AssetBuilder, object: KubeObject): void {
  const groupKind = groupKindOf(object);
  const group = groupKind.slice(object.kind.length + 1);
  if (!cloudGroup.test(group)) return;
  const found = cloudKinds.find(
    (one) => one.kind.test(object.kind) && (one.group === undefined || one.group.test(group)),
  );
  if (found === undefined) return;
  const engine = text(at(object, 'spec', 'forProvider', 'engine')) ?? text(at(object, 'spec', 'engine'));
  const host =
    text(at(object, 'status', 'atProvider', 'endpoint')) ??
    text(at(object, 'status', 'endpoint', 'address')) ??
    group.split('.').slice(-3).join('.');
  const asset = builder.add({
    kind: found.as,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
    title: `${found.what}${engine === undefined ? '' : ` (${engine})`} of ${object.kind} ${object.metadata.name}`,
    ...(engine === undefined ? {} : { engine: { name: engine } }),
    workload: `${object.kind.toLowerCase()}/${object.metadata.name}`,
    ...defined({ host }),
  });
  builder.sign(asset, {
    means: 'external',
    says: 'lives in a cloud, and a resource of this cluster only describes it',
    strength: 'strong',
    evidence: [evidenceOf(object, 'kind', groupKind)],
  });
}
