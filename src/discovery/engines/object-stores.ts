import type { EngineSpec } from './engine-spec.ts';

/** Servers that keep objects or files for others. */
export const objectStoreEngines: readonly EngineSpec[] = [
  {
    name: 'MinIO',
    kind: 'bucket',
    image: /(^|\/)(minio|rustfs)$/,
    program: /\bminio\s+server\b|^server\s+.*--console-address/,
    ports: [9000, 9001],
    dataPath: /^\/(data|export|bitnami\/minio)\d*\b/,
    variable: /^MINIO_(ROOT_(USER|PASSWORD)|ACCESS_KEY|VOLUMES|SERVER_URL)/,
  },
  {
    name: 'SeaweedFS',
    kind: 'bucket',
    image: /(^|\/)seaweedfs$/,
    program: /\bweed\b|^(volume|master|filer|server)\b/,
    ports: [8333, 8888, 9333],
    dataPath: /^\/(data|seaweedfs)/,
  },
  {
    name: 'Garage',
    kind: 'bucket',
    image: /(^|\/)(garage|amd64_garage)$/,
    program: /\bgarage\s+server\b/,
    ports: [3900, 3901],
    dataPath: /^\/(var\/lib\/garage|mnt\/(data|meta))/,
  },
  {
    name: 'Ceph',
    kind: 'bucket',
    image: /(^|\/)(radosgw|versitygw|zenko|cloudserver|s3proxy|ozone)$/,
    program: /\b(radosgw|versitygw)\b/,
    ports: [7480, 7070],
    dataPath: /^\/(var\/lib\/ceph|usr\/src\/app\/localData)/,
  },
  {
    name: 'GlusterFS',
    kind: 'bucket',
    image: /(^|\/)(gluster-centos|glusterfs-server|juicefs-server)$/,
    program: /\bglusterd\b/,
    ports: [24_007],
    dataPath: /^\/(var\/lib\/glusterd|bricks)/,
  },
];
