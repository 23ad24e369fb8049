import { kinds, type Resource } from '#api/objects';
import type { CapturedObject } from '#discovery/inventory';
import { createRandom, type Random } from './random.ts';

/** Objects as a namespace of a busy operator has them: of several kinds, 1 to 3 KiB each, alike but never equal. */
export function makeObjects(count: number): CapturedObject[] {
  const random = createRandom('objects');
  return Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? configMap(random, index) : secret(random, index),
  );
}

const configMaps: Resource = { ...kinds.secrets, kind: 'ConfigMap', plural: 'configmaps' };
const created = '2026-11-01T08:00:00Z';

function metadata(random: Random, kind: string, index: number): CapturedObject['object']['metadata'] {
  return {
    name: `${kind}-${index}`,
    namespace: 'shop',
    uid: token(random, 36),
    resourceVersion: String(100_000 + index),
    creationTimestamp: created,
    labels: { 'app.kubernetes.io/name': kind, 'app.kubernetes.io/instance': `release-${index % 40}` },
    annotations: { 'example.com/checksum': token(random, 64) },
  };
}

function configMap(random: Random, index: number): CapturedObject {
  const lines = Array.from({ length: 20 + random.below(30) }, (_, line) => `setting.${line}=${token(random, 24)}`);
  const data = { 'application.properties': `${lines.join('\n')}\n`, mode: 'production' };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(random, 'settings', index), data };
  return { resource: configMaps, object };
}

function secret(random: Random, index: number): CapturedObject {
  const data = { username: token(random, 16), password: token(random, 44), 'ca.crt': token(random, 1200) };
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadata(random, 'access', index),
    type: 'Opaque',
    data,
  };
  return { resource: kinds.secrets, object };
}

function token(random: Random, length: number): string {
  const bytes = Buffer.alloc(Math.ceil((length * 3) / 4));
  random.fill(bytes);
  return bytes.toString('base64').slice(0, length);
}
