import type { AssetBuilder } from '../builder.ts';
import { record, text } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { nameOf } from '../snapshot/snapshot.ts';
import type { KubeObject } from '#api/objects';
import { evidenceOf } from './support.ts';

/** Buckets of clouds by the scheme of an address (KServe, "Storage": s3, gs, abfs and the like). */
const clouds: Readonly<Record<string, string>> = {
  s3: 's3.amazonaws.com',
  gs: 'storage.googleapis.com',
  abfs: 'blob.core.windows.net',
};

/**
 * Where KServe's InferenceServices have their models: `storageUri: pvc://CLAIM/PATH` is a claim that no pod names before the
 * service runs, `s3://BUCKET/PATH` a bucket.
 */
export function detectServedModels(builder: AssetBuilder): void {
  for (const groupKind of ['InferenceService.serving.kserve.io', 'LLMInferenceService.serving.kserve.io'])
    for (const service of builder.index.all(groupKind))
      for (const { field, uri } of storageUris(record(service['spec']), 'spec')) addModel(builder, service, field, uri);
}

interface StorageUri {
  readonly field: string;
  readonly uri: string;
}

/** Nested deeper than any InferenceService is. */
const depthMax = 6;

function* storageUris(fields: Fields, path: string, depth = 0): Generator<StorageUri> {
  if (depth > depthMax) return;
  for (const [name, value] of Object.entries(fields)) {
    const field = `${path}.${name}`;
    const uri = name === 'storageUri' || (name === 'uri' && path.endsWith('.model')) ? text(value) : undefined;
    if (uri !== undefined) yield { field, uri };
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield* storageUris(record(value), field, depth + 1);
  }
}

function addModel(builder: AssetBuilder, service: KubeObject, field: string, uri: string): void {
  const [, scheme = '', place = ''] = /^(\w+):\/\/([^/]+)/.exec(uri) ?? [];
  const { namespace = '' } = service.metadata;
  const evidence = [evidenceOf(service, field, uri)];
  const from = `${namespace}/${nameOf(service)}`;
  if (scheme === 'pvc') {
    const claim = builder.find(namespace, 'volume', place);
    if (claim === undefined) return;
    builder.sign(claim, {
      means: 'user-files',
      says: 'holds a model that is served from it',
      evidence,
      strength: 'weak',
    });
    builder.relate({ from, to: claim, type: 'uses', evidence });
    return;
  }
  const host = clouds[scheme];
  if (host === undefined || builder.find(namespace, 'bucket', place) !== undefined) return;
  const asset = builder.add({
    kind: 'bucket',
    namespace,
    name: place,
    title: `bucket ${place} of ${nameOf(service)}`,
    host,
  });
  builder.sign(asset, { means: 'external', says: `lives at ${host}`, evidence, strength: 'strong' });
  builder.relate({ from, to: asset, type: 'uses', evidence });
}
