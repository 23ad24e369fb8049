import type { Evidence } from '#api/asset';
import type { AssetBuilder } from '../builder.ts';
import { keyOf } from '../builder.ts';
import { at, text } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { ServiceMap } from '../services.ts';
import type { Container } from '../containers.ts';
import type { Workload } from '../workloads.ts';
import { evidenceOf } from './support.ts';

/** Object buckets: claimed in the cluster, or used by programs as their storage. */
export function detectBuckets(builder: AssetBuilder, services: ServiceMap): void {
  for (const groupKind of ['ObjectBucketClaim.objectbucket.io', 'BucketClaim.objectstorage.k8s.io'])
    for (const claim of builder.index.all(groupKind)) {
      const name = claim.metadata.name;
      const asset = builder.add({
        kind: 'bucket',
        namespace: claim.metadata.namespace ?? '',
        name,
        title: `bucket of ${nameOf(claim)}`,
        workload: nameOf(claim),
        volume: {
          source: 'inline',
          claim: name,
          labels: { ...claim.metadata.labels, ...claim.metadata.annotations },
          mounts: [],
        },
      });
      const storageClass =
        text(at(claim['spec'], 'storageClassName')) ?? text(at(claim['spec'], 'bucketClassName')) ?? 'default';
      builder.sign(asset, {
        means: 'persistent',
        says: 'is a bucket that someone asked for',
        strength: 'strong',
        evidence: [evidenceOf(claim, 'spec', `class ${storageClass}`)],
      });
    }
  for (const workload of builder.workloads)
    for (const container of workload.containers)
      for (const use of bucketUses(workload, container)) addUse(builder, services, { workload, ...use });
}

interface BucketUse {
  readonly bucket: string;
  /** Host of the endpoint; missing for the cloud's own. */
  readonly endpoint?: string;
  readonly evidence: Evidence;
}

const bucketVariable =
  /(^|_)(S3|AWS|GCS|GS|MINIO|B2|R2|OBJECT_?STOR(AGE|E)|STORAGE|MEDIA|UPLOADS?|ARTIFACT\w*|ATTACHMENTS?|ASSETS?|FILES?|BACKUP)?_?(\w*_)?(BUCKET|BUCKET_?NAME|CONTAINER_NAME)$/i;
const endpointVariable = /(S3|AWS|MINIO|B2|R2|OBJECT_?STOR(AGE|E)|STORAGE|BUCKET).*(ENDPOINT|URL|HOST|DOMAIN)/i;
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const cloudSchemes: Readonly<Record<string, string>> = {
  s3: 's3.amazonaws.com',
  gs: 'storage.googleapis.com',
  gcs: 'storage.googleapis.com',
  abfs: 'blob.core.windows.net',
  wasbs: 'blob.core.windows.net',
  azblob: 'blob.core.windows.net',
  b2: 'backblazeb2.com',
};

function bucketUses(workload: Workload, container: Container): BucketUse[] {
  const endpointOf = container.variables.find(
    (one) =>
      endpointVariable.test(one.name) && (one.endpoints.length > 0 || /^[a-z0-9.-]+(:\d+)?$/i.test(one.value ?? '')),
  );
  const endpoint = endpointOf?.endpoints[0]?.host ?? endpointOf?.value?.split(':')[0];
  const withEndpoint = endpoint === undefined ? {} : { endpoint };
  const uses: BucketUse[] = [];
  for (const { name, value, endpoints, evidence } of container.variables) {
    if (value !== undefined && bucketVariable.test(name) && bucketName.test(value) && !/^(true|false|\d+)$/.test(value))
      uses.push({ bucket: value, ...withEndpoint, evidence });
    // A Secret keeps the bucket's name for itself: what can be said is where it is.
    else if (value === undefined && endpoint !== undefined && bucketVariable.test(name))
      uses.push({ bucket: endpoint, endpoint, evidence });
    for (const one of endpoints)
      if (cloudSchemes[one.scheme ?? ''] !== undefined && bucketName.test(one.host))
        uses.push({ bucket: one.host, ...withEndpoint, evidence });
  }
  const base = { object: workload.name, namespace: workload.namespace };
  for (const [url, , bucket = ''] of container.command.join(' ').matchAll(/\b(s3|gs|b2):\/\/([a-z0-9][a-z0-9.-]+)/gi))
    uses.push({ bucket, ...withEndpoint, evidence: { ...base, field: `${container.path}.command`, value: url } });
  for (const file of container.files) {
    const match =
      /^\s*(?:bucket(?:_?names?)?|bucketName|container_name)\s*[:=]\s*["']?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])["']?\s*$/im.exec(
        file.content,
      );
    if (match?.[1] === undefined) continue;
    const host = /^\s*(?:endpoint|s3_?url|address)\s*[:=]\s*["']?(?:https?:\/\/)?([a-z0-9.-]+)/im.exec(
      file.content,
    )?.[1];
    uses.push({
      bucket: match[1],
      ...(host === undefined ? withEndpoint : { endpoint: host }),
      evidence: {
        object: `configmap/${file.configMap}`,
        namespace: workload.namespace,
        field: `data.${file.key}`,
        value: match[0].trim(),
      },
    });
  }
  return uses;
}

interface WorkloadBucket extends BucketUse {
  readonly workload: Workload;
}

function addUse(
  builder: AssetBuilder,
  services: ServiceMap,
  { workload, bucket, endpoint, evidence }: WorkloadBucket,
): void {
  const target = endpoint === undefined ? undefined : services.resolve(endpoint, workload.namespace);
  if (target?.kind === 'server') {
    if (target.asset !== builder.serverOf(workload))
      builder.relate({ from: keyOf(workload), to: target.asset, type: 'uses', evidence: [evidence] });
    return;
  }
  if (target?.kind === 'workload') return;
  const claimed = builder.find(workload.namespace, 'bucket', bucket);
  const host = endpoint ?? 'the cloud that the program is set up for';
  const asset =
    claimed ??
    builder.add({
      kind: 'bucket',
      namespace: workload.namespace,
      name: bucket,
      title: `bucket ${bucket} at ${host}`,
      host,
    });
  builder.relate({ from: keyOf(workload), to: asset, type: 'uses', evidence: [evidence] });
  if (claimed === undefined)
    builder.sign(asset, {
      means: target?.kind === 'unknown' ? 'unseen' : 'external',
      says: target?.kind === 'unknown' ? `is at ${host}, which is not part of what was scanned` : `lives at ${host}`,
      evidence: [evidence],
      strength: 'strong',
    });
}
